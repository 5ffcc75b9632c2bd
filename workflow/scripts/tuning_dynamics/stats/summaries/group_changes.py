"""Mean change by tuning of each group's sets.

Mean change of each group's sets, for the recipes `statistics.group_recipes` (the main one) and sets
in the roles `statistics.group_roles` (`id` and `ood`: the task that was tuned on). A set counts
once per checkpoint, with the mean of its cells. A repeated cell is refused, and so is a set that
two of the recipes have: it would count twice, and mix unlike with like.
"""

import pandas as pd

from tuning_dynamics.stats.groups import group_change_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    checkpoint: str
    """label of the checkpoint, or `all` for all of them pooled"""
    step: int
    """its step; empty for `all`"""
    group: str
    """as in `groups.csv`"""
    mean_change: float
    """mean of the changes of its sets"""
    low: float
    """low end of its interval over evaluation sets; empty for fewer than 5"""
    high: float
    """high end"""
    cells: int
    """number of changes; each cell counts once"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return group_change_rows(
        tables["changes"],
        tables["groups"],
        drawing=asked.drawing,
        recipes=asked.group_recipes,
        roles=asked.roles,
    )
