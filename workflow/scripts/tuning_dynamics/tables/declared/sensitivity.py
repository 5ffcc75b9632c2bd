"""Spread of scores over prompt formats.

One row per variant and evaluation set that is evaluated in at least 2 formats with the same number
of shots, draw and prediction method.

A spread is never negative, and chance alone makes it positive: by about 1 / sqrt(n) of a standard
deviation, so less where scores leave the middle. `chance` is what it is by chance; what is beyond
that can be held against 0, and compared between models. Where formats do differ, less than `chance`
is due to chance, so that `beyond_chance` is too small rather than too large.
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
    chance: float
    """mean spread where each item's scores change places among the formats at random; empty for
    published scores"""
    beyond_chance: float
    """`spread` less `chance`"""
    p_value: float
    """share of these random spreads that reach `spread`, which counts as one of them"""
    best: str
    """name of the best format"""
    worst: str
    """name of the worst format"""
