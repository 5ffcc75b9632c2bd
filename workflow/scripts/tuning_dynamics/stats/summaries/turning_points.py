"""Where scores stop rising, in tokens.

Where improvement with pre-training stops: for `base`, and for each recipe, train set and evaluation
set. Evaluation set `all` is the mean curve over the sets that are evaluated at every checkpoint:
for `base` all sets, for a recipe those in `group_roles`. If there is none, its shape is `too_few`.

A broken stick is fitted by least squares to the scores over log10 tokens: a straight rise, then
flat. The curve is `flat` if the stick is no better than a constant (falls are not improvement),
`still_rising` if it is no better than a straight line, else it `turns`; both tests are by
simulation, at 1 - `level`, with at least 5 checkpoints. Noise is that of the scores' intervals, or
of the residuals if that is larger or intervals are unknown; in a mean curve, errors of one set's
cells, which share items, add up, those of different sets are independent. The interval is that of
the breaks found in resampled noise on the fitted stick; its ends move out to the next checkpoints,
since no estimate is finer than the hole that it falls in.
"""

import pandas as pd

from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.turning_points import turning_rows
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    recipe: str
    """as in `scores.csv`"""
    train_set: str
    """as in `scores.csv`; empty for `base` and for `all`"""
    eval_set: str
    """evaluation set, or `all`"""
    metric: str
    """as in `scores.csv`; empty for `all`"""
    checkpoints: int
    """checkpoints on the curve"""
    shape: str
    """`turns`, `still_rising`, `flat` or `too_few`"""
    tokens: float
    """tokens at the turning point; empty unless `turns`"""
    low: float
    """low end of its interval, in tokens; for `still_rising` the score rises at least up to
    this"""
    high: float
    """high end; empty unless `turns`"""
    gap_low: float
    """tokens of the last checkpoint before the turning point"""
    gap_high: float
    """tokens of the first one after it: the place between these two rests on the curve's shape
    alone"""
    reason: str
    """why there is no turning point"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return turning_rows(tables["seed_means"], drawing=asked.drawing, roles=asked.roles)
