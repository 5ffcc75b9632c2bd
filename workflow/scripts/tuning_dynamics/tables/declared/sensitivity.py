"""Spread of scores over prompt formats.

One row per variant and evaluation set that is evaluated in at least 2 formats with the same number
of shots, draw and prediction method.

A spread is never negative, and chance alone makes it positive: compare spreads with one another,
not with 0.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "scores"


class Row(Columns):
    """A row."""

    family: str
    """as in `scores.csv`"""
    checkpoint: str
    """as in `scores.csv`"""
    step: int
    """as in `scores.csv`"""
    recipe: str
    """as in `scores.csv`"""
    train_set: str
    """as in `scores.csv`"""
    seed: int
    """as in `scores.csv`"""
    eval_set: str
    """as in `scores.csv`"""
    spread: float
    """score in the best format less that in the worst"""
    low: float
    """low end of the percentile bootstrap interval, the same items drawn in all formats"""
    high: float
    """high end"""
    best: str
    """name of the best format"""
    worst: str
    """name of the worst format"""
