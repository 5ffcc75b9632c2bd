"""Base scores on one half of the items, changes by tuning on the other.

One row per cell, without its seed. Which sets the base model learns is judged by its scores, and
these scores are also what tuning is compared with: on the same items, a score that is low by chance
would put a set among those that are not learned, and make its change large. So where changes are
compared between groups of sets, groups are made from the first half of each set's items, and
changes are taken from the second. Halves are drawn with `statistics.seed`, contexts whole; fewer
than 4 items or contexts are not divided. Published scores have no items, and no rows here.
"""

from tuning_dynamics.tables.columns import MeanColumns

#: The rule that makes it.
RULE = "scores"


class Row(MeanColumns):
    """A row."""

    first_score: float
    """of `base`: mean over the first half of the items; else empty"""
    first_se: float
    """its standard error"""
    second_change: float
    """of tuned cells: mean over seeds of tuned minus base, over the second half of the items; empty
    for `base`, and without a base cell"""
    second_se: float
    """its standard error, over seeds and items"""
