"""The columns of scores.csv, which a table of scores made elsewhere has too."""

#: The columns that say which cell a row is; in this order in scores.csv and changes.csv.
KEY_COLUMNS: dict[str, str] = {
    "family": "str",
    "checkpoint": "str",
    "step": "int",
    "tokens": "int",
    "recipe": "str",
    "train_set": "str",
    "seed": "int",
    "eval_set": "str",
    "task": "str",
    "kind": "str",
    "role": "str",
    "format": "str",
    "shots": "int",
    "prediction": "str",
    "metric": "str",
}

#: Two rows that agree on these are the same cell; the other key columns follow from them.
IDENTITY = (
    "family",
    "checkpoint",
    "recipe",
    "train_set",
    "seed",
    "eval_set",
    "format",
    "shots",
    "prediction",
    "metric",
)

#: Checkpoint and evaluation set of rows that pool several, so that none may carry this name.
POOLED = "all"

#: `source` of checkpoints and sets of which scores made elsewhere were given.
PUBLISHED = "published"

#: All columns of scores.csv; those after `score` may be unknown.
SCORE_COLUMNS: dict[str, str] = {
    **KEY_COLUMNS,
    "n": "int",
    "score": "float",
    "se": "float",
    "ci_low": "float",
    "ci_high": "float",
    "truncated": "int",
}
