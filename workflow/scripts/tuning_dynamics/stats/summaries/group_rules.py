"""The groups' difference under other rules for what is learned.

How the groups, and the changes by tuning in them, depend on the rule that makes the groups. A row
per rule, the study's own first.

`study` is `groups.csv` as it is. `kendall`: trend above 0 and Kendall's p-value below `alpha`,
undecided as there. `slope_t_test`: the same with the t-test of the least-squares slope over log10
tokens, undecided below 3 checkpoints. `last_above_first`: the last checkpoint's `ci_low` above the
first one's `ci_high`, undecided if intervals are unknown.
"""

import pandas as pd

from tuning_dynamics.stats.group_rules import group_rule_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    rule: str
    """see above"""
    alpha: float
    """threshold of the rule's p-value; empty if it has none, and for `study`"""
    learned: int
    """number of evaluation sets that the rule puts into this group"""
    not_learned: int
    """same"""
    undecided: int
    """same"""
    difference: float
    """mean change of sets not learned less that of learned ones, cells as in `group_changes.csv`"""
    low: float
    """low end of its interval over evaluation sets; empty for fewer than 5 in a group"""
    high: float
    """high end"""
    cells: int
    """number of changes"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return group_rule_rows(
        tables["scores"],
        tables["changes"],
        tables["groups"],
        drawing=asked.drawing,
        recipes=asked.group_recipes,
        roles=asked.roles,
    )
