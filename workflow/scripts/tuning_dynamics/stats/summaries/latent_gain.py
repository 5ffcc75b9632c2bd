"""Slope of the gain by tuning along pre-training.

How the change by tuning varies with pre-training: main recipe, roles `group_roles`, means over
seeds. Each group's pairs are followed by a pooled row.
"""

import pandas as pd

from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.trends import latent_gain_rows
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    recipe: str
    """the main recipe"""
    train_set: str
    """train set; empty in pooled rows"""
    eval_set: str
    """evaluation set; `all` in pooled rows"""
    group: str
    """group of the evaluation set, as in `groups.csv`"""
    checkpoints: int
    """checkpoints; in pooled rows those that any pair has"""
    first_change: float
    """change at the first checkpoint; in pooled rows the mean over the pairs that have every
    checkpoint, empty if none has"""
    last_change: float
    """change at the last one"""
    slope: float
    """least-squares slope over log10 tokens: change per tenfold tokens, from 3 checkpoints on; in
    pooled rows the mean of the pairs' slopes"""
    low: float
    """low end of its interval: over items and seeds, with errors of different checkpoints taken as
    independent; from the residuals if items are unknown (from 4 checkpoints on); in pooled rows
    over pairs"""
    high: float
    """high end"""
    floor: float
    """noise floor of the evaluation sets, see `noise.csv`; empty if it is unknown"""
    under_floor: str
    """`yes` if the slope is smaller, per tenfold tokens; `unknown` if the floor is; else
    empty"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return latent_gain_rows(
        tables["seed_means"],
        tables["groups"],
        tables["noise"],
        drawing=asked.drawing,
        recipe=asked.recipe,
        roles=asked.roles,
    )
