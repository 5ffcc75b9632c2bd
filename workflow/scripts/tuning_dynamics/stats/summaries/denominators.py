"""Base scores that a ratio of change divides by.

The base scores that changes are divided by, and what makes them weak denominators: for each
prediction method and metric the cell of `base` in format `default` with most shots. A change in
another format may have a base score in that format, which has no row here.
"""

import pandas as pd

from tuning_dynamics.stats.denominators import denominator_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.transfer import chance_of
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """as in `scores.csv`"""
    checkpoint: str
    """as in `scores.csv`"""
    step: int
    """as in `scores.csv`"""
    eval_set: str
    """as in `scores.csv`"""
    prediction: str
    """as in `scores.csv`"""
    metric: str
    """as in `scores.csv`"""
    base_score: float
    """score of the base cell"""
    ci_low: float
    """low end of its interval"""
    chance: float
    """as in `datasets.csv`"""
    flag: str
    """`zero`: no ratio exists; `near_zero`: below 0.02, the ratio is in `mean_ratio` but `ratio` of
    `changes.csv` is empty; `at_chance`: `ci_low` (`base_score`, if that is unknown) is at chance
    or below; else empty"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    del asked
    return denominator_rows(tables["seed_means"], chance_of(tables["datasets"]))
