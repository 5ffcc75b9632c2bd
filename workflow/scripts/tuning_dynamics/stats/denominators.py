"""denominators.csv: base scores that make a ratio say more about the base than about tuning."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT, one_per
from tuning_dynamics.tables.tables import from_rows

ZERO, NEAR_ZERO, AT_CHANCE = "zero", "near_zero", "at_chance"

_BASE = ["family", "checkpoint", "eval_set", "prediction", "metric"]


def denominator_rows(seed_means: pd.DataFrame, chance: Mapping[str, float]) -> pd.DataFrame:
    """denominators.csv: the base cells that changes are divided by, and what is wrong with them.

    For each family, checkpoint, evaluation set, prediction method and metric: the cell in format
    `default` with most shots, draws of demonstrations averaged. `chance` is the accuracy of
    guessing on each set that has one. A cell is `at_chance` if the low end of its interval, or its
    score if that is unknown, is at chance or below.
    """
    base = seed_means[seed_means["recipe"] == "base"]
    default = base[base["format"] == DEFAULT_FORMAT]
    base = one_per(default, _BASE)
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
    """Count the weak base scores of cells of changes.csv in format `default`.

    Raises StudyError for a cell whose base score has no row in denominators.csv: it may be weak.
    """
    known = cells[_BASE].merge(
        denominators[[*_BASE, "flag"]], on=_BASE, how="left", validate="many_to_one"
    )
    if known["flag"].isna().any():
        lost = known[known["flag"].isna()].iloc[0]
        raise StudyError(
            "a change in format 'default' is over a base score that denominators.csv lacks",
            key=", ".join(_BASE),
            value=", ".join(str(lost[name]) for name in _BASE),
            fix="make changes.csv and denominators.csv from the same scores.csv",
        )
    zero, near_zero, at_chance = (
        int((known["flag"] == flag).sum()) for flag in (ZERO, NEAR_ZERO, AT_CHANCE)
    )
    return WeakBases(len(known), zero, near_zero, at_chance)


def weak_denominators(changes: pd.DataFrame, denominators: pd.DataFrame) -> WeakBases:
    """Count, each once, the weak base cells that rows of changes.csv in format `default` are
    compared with. Rows in other formats may have a base in their own format."""
    return weak_bases(_compared(changes), denominators)


def divided_by(denominators: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """The rows of denominators.csv that `weak_denominators` counts; `changes` may be means over
    seeds."""
    return denominators.merge(_compared(changes)[_BASE], on=_BASE, validate="one_to_one")


def _compared(changes: pd.DataFrame) -> pd.DataFrame:
    """A row for each base cell that a change in format `default` is compared with."""
    default = changes[changes["format"] == DEFAULT_FORMAT]
    return default.drop_duplicates(_BASE)
