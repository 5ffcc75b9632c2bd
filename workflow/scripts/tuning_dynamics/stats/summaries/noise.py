"""Differences between scores that should be equal: the noise floor.

A row per tuned cell with several seeds; a row per cell, tuned or not, that two checkpoints of a
family share whose tokens differ by less than 1 %; and last, pooled over both kinds' cells, a row
per recipe, evaluation set and format. Cells that are `degenerate` (`scores.csv`) are left out:
models that give one answer to every item agree, and would make the floor 0.

`difference` of the pooled rows is the noise floor. A finding's floor is that of the main recipe on
the finding's evaluation sets in format `default` (for the spread over formats, in all), pooled over
their pairs; from seeds or from near-identical
checkpoints, whichever is larger. A smaller value supports and contradicts nothing, whatever its
interval. This is conservative: a mean over many cells varies less than the difference of two
scores. A slope is compared with the slope that such differences make on its checkpoints. With one
seed and no near-identical checkpoints the floor is unknown, and the findings say so.
"""

import pandas as pd

from tuning_dynamics.stats.noise import noise_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    kind: str
    """`seeds`, or `near_checkpoints`: the same cell at two nearly identical checkpoints"""
    family: str
    """as in `scores.csv`"""
    checkpoint: str
    """as in `scores.csv`; the earlier of two checkpoints; `all` in pooled rows"""
    step: int
    """its step; empty for `all`"""
    other: str
    """label of the later of two checkpoints; else empty"""
    recipe: str
    """as in `scores.csv`"""
    train_set: str
    """as in `scores.csv`; empty in pooled rows"""
    seed: int
    """seed of tuning of both; empty for `seeds`, for `base` and in pooled rows"""
    eval_set: str
    """as in `scores.csv`"""
    format: str
    """as in `scores.csv`"""
    shots: int
    """as in `scores.csv`; empty in pooled rows"""
    draw: int
    """as in `scores.csv`; empty in pooled rows"""
    prediction: str
    """as in `scores.csv`; empty in pooled rows"""
    metric: str
    """as in `scores.csv`"""
    n: int
    """scores compared"""
    pairs: int
    """pairs of scores that should be equal"""
    sd: float
    """standard deviation (n - 1); in pooled rows `difference` over the root of 2"""
    range: float
    """highest less lowest score; in pooled rows the largest"""
    difference: float
    """root mean square difference of a pair: for two checkpoints their difference, for seeds `sd`
    times the root of 2; in pooled rows over all pairs"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    del asked
    return noise_rows(tables["scores"])
