"""Change of each tuned cell against its base.

One row per tuned cell, against the `base` cell of the same family, step, evaluation set, prediction
method and metric, over the same items. Of several base cells, the one in the tuned cell's
format is taken, else the one in format `default`; of those, the one with most shots, its draws of
demonstrations averaged. A tuned cell without such a base is in `unpaired.csv`, with the reason.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A row."""

    format: str
    """of the tuned cell"""
    shots: int
    """of the tuned cell"""
    draw: int
    """of the tuned cell"""
    base_shots: int
    """shots of the base cell"""
    base_score: float
    """score of the base cell, over its draws of demonstrations"""
    tuned_score: float
    """score of the tuned cell"""
    change: float
    """tuned minus base"""
    change_low: float
    """low end of its interval over items, or contexts, and over the base's draws of demonstrations
    ([statistics.md](statistics.md)); empty where items are unknown"""
    change_high: float
    """high end"""
    ratio: float
    """change over base score; empty if the base score is below 0.02, where it would say more about
    the denominator than about tuning"""
    equal_base_score: float
    """score of the base cell with as many shots as the tuned one; empty if there is none"""
    equal_change: float
    """tuned minus that; where `base_shots` differ from `shots`, `change` also holds what
    demonstrations do for the base model"""
    equal_low: float
    """low end of its interval, as `change_low`"""
    equal_high: float
    """high end"""
    p_value: float
    """two-sided paired sign-flip test over items, or over whole contexts if items share them;
    for accuracy over items this is McNemar's exact test, for few items it is exact, otherwise 9,999
    seeded draws"""
    q_value: float
    """Benjamini and Hochberg's, over all rows that agree in the columns `statistics.test_families`,
    by default `recipe`"""
