"""A synthetic table of scores in the shape of the published study, with planted changes."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuning_dynamics.tables.catalogue import columns_of

#: Step, tokens, and the planted changes of sets learned in pre-training and of the others.
CHECKPOINTS = {
    "1000": (1000, 4_000_000_000, 0.048, 0.062),
    "18000": (18000, 75_000_000_000, 0.048, 0.149),
    "342000": (342000, 1_434_000_000_000, 0.004, 0.286),
    "424000": (424000, 1_778_000_000_000, 0.010, 0.297),
    "505000": (505000, 2_118_000_000_000, 0.030, 0.304),
    "592000": (592000, 2_483_000_000_000, 0.027, 0.297),
    "738000": (738000, 3_095_000_000_000, 0.021, 0.264),
    "main": (738020, 3_095_000_000_000, -0.005, 0.290),
}

#: Task, kind, prediction method and metric of each evaluation set.
CHOICE = ("multiple_choice", "multiple_choice", "likelihood", "accuracy")
NLI = ("nli", "classification", "token_prob", "accuracy")
PARAPHRASE = ("paraphrase", "classification", "token_prob", "accuracy")
SUMMARY = ("summary", "generation", "greedy", "rouge_l")
QUESTION = ("question_generation", "generation", "greedy", "rouge_l")
SETS = {
    **dict.fromkeys(("arc_easy", "arc_challenge", "hellaswag", "boolq", "sciq"), CHOICE),
    **dict.fromkeys(("mnli", "rte"), NLI),
    **dict.fromkeys(("paws", "qqp"), PARAPHRASE),
    **dict.fromkeys(("xsum", "cnn"), SUMMARY),
    **dict.fromkeys(("socialiqa", "tweetqa"), QUESTION),
}
LEARNED = ("arc_easy", "arc_challenge", "hellaswag", "boolq", "sciq")
NOT_LEARNED = tuple(name for name in SETS if name not in LEARNED)

#: The share of a generation score that is left after tuning on classification, as in the paper.
LEFT = 0.386

TRAINED = ("mnli", "paws", "xsum")


def paper_rows() -> list[dict[str, Any]]:
    """Rows of scores.csv: base with 4 shots, three tasks tuned by `sft`, and `instruct`.

    Sets of the task tuned on, and benchmarks of the instruction-tuned model, change by the planted
    value of their group; generation falls to LEFT by tuning on classification; nothing else
    changes.
    """
    rows = []
    for label, (step, tokens, learned, other) in CHECKPOINTS.items():
        point = {"family": "OLMo-1B", "checkpoint": label, "step": step, "tokens": tokens}
        for name, (task, kind, prediction, metric) in SETS.items():
            rises = 0.05 * list(CHECKPOINTS).index(label) if name in LEARNED else 0.0
            base = round(0.25 + rises, 3)
            key = {**point, "eval_set": name, "task": task, "kind": kind, "format": "default"}
            key |= {"prediction": prediction, "metric": metric}
            rows.append({**key, "recipe": "base", "shots": 4, "score": base})
            tuned = {**key, "seed": 42, "shots": 0}
            if name in LEARNED:
                own = {"recipe": "instruct", "train_set": "tulu", "role": "bench"}
                rows.append({**tuned, **own, "score": round(base + learned, 3)})
                continue
            for train_set in TRAINED:
                role, score = _tuned(train_set, name, base, other)
                own = {"recipe": "sft", "train_set": train_set, "role": role}
                rows.append({**tuned, **own, "score": score})
    return rows


def _tuned(train_set: str, name: str, base: float, gain: float) -> tuple[str, float]:
    """Role and score of a set for a model tuned on another or on the same."""
    own, other = SETS[train_set], SETS[name]
    if own == other:
        return ("id" if train_set == name else "ood"), round(base + gain, 3)
    forgets = (own[1], other[1]) == ("classification", "generation")
    return "cross", round(base * LEFT, 6) if forgets else base


def write_rows(path: Path, rows: Iterable[dict[str, Any]], columns: Iterable[str] = ()) -> Path:
    """Write rows as CSV with all columns of scores.csv, or only some."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns) or list(columns_of("scores")), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path
