"""Items that tuning made right or wrong.

One row per row of `changes.csv` whose scores are all 0 or 1: how many items changed either way, and
how many would have if being right were independent of the base's being right.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A tuned cell against its base."""

    format: str
    """of the tuned cell"""
    shots: int
    """of the tuned cell"""
    draw: int
    """of the tuned cell"""
    n: int
    """items"""
    gained: float
    """wrong before tuning and right after it"""
    lost: float
    """right before and wrong after; over `n` it is the negative flip rate"""
    kept_right: float
    """right before and after"""
    kept_wrong: float
    """wrong before and after"""
    gained_by_chance: float
    """`gained` as expected of two models with these scores that are right independently"""
    lost_by_chance: float
    """`lost`, expected likewise"""
    right_kappa: float
    """Cohen's kappa of being right before and after: 1 if no item changes, 0 if as many do as
    expected by chance; empty if chance leaves nothing else"""
    agreement: float
    """share of items with the same answer before and after"""
    kappa: float
    """Cohen's kappa of the answers; for classification only, empty if both give one label to all"""
