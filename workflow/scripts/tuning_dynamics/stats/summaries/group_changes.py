"""Mean change by tuning of each group's sets.

Mean change of each group's sets, for the recipes `statistics.group_recipes` (the main one) and sets
in the roles `statistics.group_roles` (`id` and `ood`: the task that was tuned on). A set counts
once, with the mean of its cells. Groups are made from one half of each set's items, changes are
those of the other (`halves.csv`). A set that two of the recipes have is refused: it would count
twice, and mix unlike with like. Sets of all metrics count, unless `statistics.group_metric` names
one. Rows `all` pool all checkpoints, an untrained one (0 tokens) among them; finding
`dichotomy` gives the difference without it, too.
"""

import pandas as pd

from tuning_dynamics.stats.compared_changes import compared_changes
from tuning_dynamics.stats.groups import group_change_rows, grouped_changes
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
    """as `compared_group` in `groups.csv`"""
    mean_change: float
    """mean of the changes of its sets"""
    low: float
    """low end of its interval over train sets and evaluation sets; empty for 1 train set, and for
    fewer than 4 evaluation sets"""
    high: float
    """high end"""
    cells: int
    """number of changes, means over seeds"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    level = asked.drawing.level
    changes = compared_changes(tables, level, declared=asked.groups is not None)
    grouped = grouped_changes(
        changes,
        tables["groups"],
        recipes=asked.group_recipes,
        roles=asked.roles,
        metric=asked.group_metric,
    )
    return group_change_rows(grouped, level)
