"""denominators.csv: base scores over which a ratio says more about the base than about tuning."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.select import primary_cells
from tuning_dynamics.stats.tables import from_rows

ZERO, NEAR_ZERO, AT_CHANCE = "zero", "near_zero", "at_chance"

_BASE = ["family", "checkpoint", "eval_set", "prediction", "metric"]


def denominator_rows(scores: pd.DataFrame, chance: Mapping[str, float]) -> pd.DataFrame:
    """denominators.csv: every primary base cell of scores.csv, and what is wrong with it.

    `chance` is the accuracy of guessing on each set that has one. A cell is `at_chance` where the
    low end of its interval, or where that is unknown its score, is at chance or below.
    """
    base = primary_cells(scores[scores["recipe"] == "base"])
    guessed = base["eval_set"].map(chance).astype(float)
    score = base["score"].to_numpy(dtype=float)
    lowest = base["ci_low"].fillna(base["score"]).to_numpy(dtype=float)
    flags = np.select(
        [score <= 0, score < RATIO_FLOOR, lowest <= guessed.to_numpy()],
        [ZERO, NEAR_ZERO, AT_CHANCE],
        default="",
    )
    return from_rows(
        base.assign(base_score=score, chance=guessed, flag=flags).to_dict("records"),
        "denominators",
    )


@dataclass(frozen=True)
class WeakBases:
    """How many of `cells` changes have a weak base score, by the flag in denominators.csv."""

    cells: int
    zero: int
    near_zero: int
    at_chance: int


def weak_bases(cells: pd.DataFrame, denominators: pd.DataFrame) -> WeakBases:
    """Count the weak base scores of primary cells of changes.csv."""
    known = cells.merge(
        denominators[[*_BASE, "flag"]], on=_BASE, how="left", validate="many_to_one"
    )
    zero, near_zero, at_chance = (
        int((known["flag"] == flag).sum()) for flag in (ZERO, NEAR_ZERO, AT_CHANCE)
    )
    return WeakBases(len(known), zero, near_zero, at_chance)
