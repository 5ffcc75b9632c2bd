"""Measures of every cell beyond its score.

One row per cell and measure: probability and margin of the right option, nats and bits per byte of
the right answer, from the recorded scores of the options; macro-F1 of classification. Each cell has
those that its prediction method records enough for. Definitions and sources:
[statistics.md](statistics.md#measures-beyond-the-score).
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A measure of a cell."""

    measure: str
    """`probability`, `margin`, `nats`, `bits_per_byte` (means over items) or `macro_f1`"""
    n: int
    """items"""
    value: float
    """its value; `nats` and `bits_per_byte` are losses, where less is better"""
    se: float
    """standard error, as in `scores.csv`; of `macro_f1` the standard deviation of the resamples;
    empty where no item differs"""
    ci_low: float
    """low end of the interval: as in `scores.csv`, for `nats` and `bits_per_byte` Student's t after
    Hall's transformation; empty where `se` is"""
    ci_high: float
    """high end"""
    base_value: float
    """the same of the base cell that `changes.csv` compares a tuned cell with, over its draws of
    demonstrations; empty for `base`, without a base cell, and for `macro_f1`"""
    change: float
    """`value` less `base_value`, paired over items"""
    change_low: float
    """low end of its interval over items, or contexts, and over the base's draws, as in
    `changes.csv`; empty where no item changes"""
    change_high: float
    """high end"""
