"""Slope of the spread over prompt formats along pre-training.

How the spread over prompt formats changes with pre-training: main recipe, seeds averaged. The last
row is pooled.
"""

import pandas as pd

from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.trends import format_trend_rows
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    recipe: str
    """the main recipe"""
    train_set: str
    """train set; empty in the pooled row"""
    eval_set: str
    """evaluation set; `all` in the pooled row"""
    checkpoints: int
    """checkpoints; in pooled rows those that any pair has"""
    first_spread: float
    """spread beyond chance (`beyond_chance` of `sensitivity.csv`) at the first checkpoint, `spread`
    for published scores; in the pooled row the mean over the pairs that have every checkpoint,
    empty if none has"""
    last_spread: float
    """spread at the last one"""
    slope: float
    """as in `latent_gain.csv`, for the spread"""
    low: float
    """low end of its interval, as there"""
    high: float
    """high end"""
    floor: float
    """as in `latent_gain.csv`"""
    under_floor: str
    """as in `latent_gain.csv`"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return format_trend_rows(
        tables["sensitivity"],
        tables["scores"],
        tables["noise"],
        level=asked.drawing.level,
        recipe=asked.recipe,
    )
