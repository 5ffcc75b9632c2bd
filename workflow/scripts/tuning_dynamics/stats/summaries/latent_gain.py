"""Slope of the gain by tuning along pre-training.

How the change by tuning varies with pre-training: main recipe, roles `group_roles`, metric
`group_metric`, means over seeds. Each group's pairs are followed by a pooled row.
"""

import pandas as pd

from tuning_dynamics.stats.compared_changes import compared_changes
from tuning_dynamics.stats.groups import grouped_changes
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
    """group of the evaluation set, `compared_group` of `groups.csv`"""
    checkpoints: int
    """checkpoints; in pooled rows those that any pair has"""
    first_change: float
    """change at the first checkpoint; in pooled rows the mean over the pairs that have every
    checkpoint, empty if none has"""
    last_change: float
    """change at the last one"""
    slope: float
    """least-squares slope over log10 tokens: change per tenfold tokens, from 3 checkpoints on; in
    pooled rows the mean of the pairs' slopes; changes are those of the second half of the items
    (`halves.csv`)"""
    low: float
    """low end of its interval: over items and seeds, with errors of different checkpoints taken as
    independent; from the residuals if items are unknown (from 4 checkpoints on); in pooled rows
    over train sets and evaluation sets (empty for 1 train set, and for fewer than 4 evaluation
    sets)"""
    high: float
    """high end"""
    floor: float
    """typical slope of scores that should be equal, from the noise floor of the evaluation sets
    (`noise.csv`) over the root of twice the sum of squares on the axis; empty if it is unknown"""
    under_floor: str
    """`yes` if the slope is smaller; `unknown` if the floor is; else empty"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    level = asked.drawing.level
    changes = compared_changes(tables, level, declared=asked.groups is not None)
    grouped = grouped_changes(
        changes,
        tables["groups"],
        recipes=[asked.recipe],
        roles=asked.roles,
        metric=asked.group_metric,
    )
    return latent_gain_rows(
        grouped, tables["seed_means"], tables["noise"], level=level, recipe=asked.recipe
    )
