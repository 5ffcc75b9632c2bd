"""Means over seeds, with their intervals.

One row per cell, without its seed and draw: the mean over seeds of tuning and draws of
demonstrations. `base` cells, which have no seed, have rows too. The figures draw from this table.
"""

from tuning_dynamics.tables.columns import MeanColumns

#: The rule that makes it.
RULE = "scores"


class Row(MeanColumns):
    """A row."""

    seeds: int
    """seeds of tuning in the mean; empty for `base`"""
    draws: int
    """draws of demonstrations in the mean"""
    n: int
    """items; all seeds and draws are scored on the same ones"""
    score: float
    """mean over seeds, draws and items"""
    ci_low: float
    """low end of its interval, over seeds, draws and items; what has one seed, or one draw, is
    fixed; for published scores see [published.md](published.md)"""
    ci_high: float
    """high end"""
    base_score: float
    """score of the base, as in `changes.csv`; empty for `base` and if there is none"""
    change: float
    """mean over seeds of tuned minus base; empty if `base_score` is"""
    change_low: float
    """low end of its interval, made as that of `score` from paired differences"""
    change_high: float
    """high end"""
    probability: float
    """mean over seeds, draws and items of the probability of the right option, as in
    `measures.csv`; empty where that has none"""
    probability_low: float
    """low end of its interval, made as that of `score`; empty where no item differs"""
    probability_high: float
    """high end"""
