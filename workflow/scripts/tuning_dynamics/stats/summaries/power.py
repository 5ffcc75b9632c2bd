"""The smallest differences that the study can see.

What 80 % of such studies would find by a two-sided test of 5 %: `smallest`, from what varied. A dry
run says the same from assumptions (`statistics.power`), by the same formula: standard errors times
the sum of two quantiles, which are Student's as far as the error is one of few units
([statistics.md](statistics.md#power)). A difference that is not found is not shown to be smaller
than this; a found one may be.

`change`: tuned minus base on one set, in format `default`, by the main recipe, over its seeds. With
one seed it is for that seed alone. `transfer`: mean change over pairs of train and evaluation sets
of two kinds, at one checkpoint, over sets of both. `base`: a few-shot score of `base`.
"""

import pandas as pd

from tuning_dynamics.stats.power import power_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.transfer import train_kinds_of
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    contrast: str
    """`change`, `transfer` or `base`"""
    family: str
    """as in `scores.csv`"""
    checkpoint: str
    """as in `scores.csv`"""
    step: int
    """as in `scores.csv`"""
    train_set: str
    """of a `change`; else empty"""
    eval_set: str
    """of a `change` or `base`; else empty"""
    train_kind: str
    """of a `transfer`, as in `transfer.csv`; else empty"""
    eval_kind: str
    """of a `transfer`; else empty"""
    n: int
    """items of the evaluation set; empty for a `transfer`"""
    seeds: int
    """seeds of a `change`; else empty"""
    draws: int
    """draws of demonstrations of a `base` score; else empty"""
    train_sets: int
    """train sets of a `transfer`; else empty"""
    eval_sets: int
    """evaluation sets of a `transfer`; else empty"""
    value: float
    """the change, mean change or score"""
    se: float
    """its standard error"""
    smallest: float
    """the smallest difference that 80 % of such studies find"""
    reason: str
    """why there is none"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return power_rows(
        tables["seed_means"],
        tables["changes"],
        train_kinds_of(tables["datasets"]),
        level=asked.drawing.level,
        recipe=asked.recipe,
        train_sets=asked.train_sets,
        eval_sets=asked.eval_sets,
    )
