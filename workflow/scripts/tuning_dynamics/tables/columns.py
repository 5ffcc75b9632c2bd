"""Columns as a class: a field is a column, with its type, and its docstring is its meaning."""

from tuning_dynamics.common.docstrings import field_docstrings


class Columns:
    """The columns of a table, its base's first. An unknown text is "", an unknown number empty."""

    @classmethod
    def types(cls) -> dict[str, str]:
        """Each column's type: `str`, `int` or `float`."""
        return {
            name: kind.__name__
            for owner in reversed(cls.__mro__)
            for name, kind in vars(owner).get("__annotations__", {}).items()
        }

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """Each column's meaning, as the source has it."""
        owners = reversed(cls.__mro__[: cls.__mro__.index(Columns)])
        found = {name: text for owner in owners for name, text in field_docstrings(owner).items()}
        return {name: " ".join(found[name].split()) for name in cls.types()}


class CellColumns(Columns):
    """The columns that say which cell a row is, in this order."""

    family: str
    """name of the family of checkpoints"""
    checkpoint: str
    """label of the checkpoint: its step as text; in a published table it may be a word (`main`)"""
    step: int
    """optimiser steps of pre-training"""
    tokens: int
    """tokens seen in pre-training"""
    recipe: str
    """how it was tuned; `base` is not tuned"""
    train_set: str
    """what it was tuned on; empty for `base`"""
    seed: int
    """seed of tuning; empty for `base`"""
    eval_set: str
    """what it is evaluated on"""
    task: str
    """name of a file of `config/tasks/` (`nli`, `paraphrase`, `summary`, `question_generation`,
    `multiple_choice`, `reading`, …); a published table has its own"""
    kind: str
    """`classification`, `generation` or `multiple_choice`"""
    role: str
    """role of the evaluation set: `id` (task and domain of the train set), `ood` (same task, other
    domain), `cross` (other task), `bench`; empty for `base`, except on benchmarks"""
    format: str
    """prompt format: `default`, `io`, `instruct` or another that the task defines"""
    shots: int
    """demonstrations in the prompt"""
    draw: int
    """which demonstrations: 0 the first of the set's demonstrations, others seeded draws of them; 0
    without demonstrations"""
    prediction: str
    """`token_prob`, `constrained` or `free` (classification), `likelihood`, `likelihood_per_char`
    or `likelihood_pmi` (multiple choice), `greedy` (generation)"""
    metric: str
    """`accuracy`, `rouge_l` or another metric of the dataset"""


class MeanColumns(Columns):
    """The columns that say which cells, of several seeds and draws, a row is the mean of."""

    family: str
    """as in `scores.csv`"""
    checkpoint: str
    """as in `scores.csv`"""
    step: int
    """as in `scores.csv`"""
    tokens: int
    """as in `scores.csv`"""
    recipe: str
    """as in `scores.csv`"""
    train_set: str
    """as in `scores.csv`"""
    eval_set: str
    """as in `scores.csv`"""
    task: str
    """as in `scores.csv`"""
    kind: str
    """as in `scores.csv`"""
    role: str
    """as in `scores.csv`"""
    format: str
    """as in `scores.csv`"""
    shots: int
    """as in `scores.csv`"""
    prediction: str
    """as in `scores.csv`"""
    metric: str
    """as in `scores.csv`"""


KEY_COLUMNS = CellColumns.types()

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
    "draw",
    "prediction",
    "metric",
)

#: Checkpoint and evaluation set of rows that pool several, so that none may have this name.
POOLED = "all"

#: `source` of checkpoints and sets of published scores.
PUBLISHED = "published"
