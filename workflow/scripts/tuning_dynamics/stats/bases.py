"""Base scores over which a ratio of change says more about the base than about tuning."""

from dataclasses import dataclass

import pandas as pd

from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.select import DEFAULT_FORMAT, one_per

_BASE = ["family", "checkpoint", "eval_set", "prediction"]


@dataclass(frozen=True)
class WeakBases:
    """How many of `cells` changes have a weak base score; each counts under one heading.

    `zero`: 0, so that no ratio exists. `near_zero`: above that but below RATIO_FLOOR.
    `at_chance`: the low end of the base score's interval is at chance or below.
    """

    cells: int
    zero: int
    near_zero: int
    at_chance: int


def weak_bases(cells: pd.DataFrame, scores: pd.DataFrame, datasets: pd.DataFrame) -> WeakBases:
    """Count the weak base scores of primary cells of changes.csv.

    `scores` has the base cells' intervals, `datasets` each evaluation set's `chance` (empty for
    generation, which no guess gets right).
    """
    base = one_per(
        scores[(scores["recipe"] == "base") & (scores["format"] == DEFAULT_FORMAT)], _BASE
    )
    chance = datasets[datasets["use"] == "evaluation"][["dataset", "chance"]]
    known = cells.merge(base[[*_BASE, "ci_low"]], on=_BASE, how="left", validate="many_to_one")
    known = known.merge(
        chance.rename(columns={"dataset": "eval_set"}),
        on="eval_set",
        how="left",
        validate="many_to_one",
    )
    zero = known["base_score"] <= 0
    near_zero = ~zero & (known["base_score"] < RATIO_FLOOR)
    at_chance = ~zero & ~near_zero & (known["ci_low"] <= known["chance"])
    return WeakBases(len(known), int(zero.sum()), int(near_zero.sum()), int(at_chance.sum()))
