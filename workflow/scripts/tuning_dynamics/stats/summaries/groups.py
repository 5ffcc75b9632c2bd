"""Sets learned in pre-training, and others.

Which evaluation sets the base model learns in pre-training.

A set is `learned` when the trend is above 0, `trend_p` below `learned_alpha` (0.1), and the last
checkpoint's `ci_low` (its score, if that is unknown) above the first checkpoint's score. It is
`undecided` when there are too few checkpoints for any order to reach `learned_alpha`: k checkpoints
reach 2 / k! at best, that is .33 with 3, .083 with 4, .017 with 5. Otherwise it is `not_learned`:
no evidence of a rise, which is not evidence of no rise. `statistics.groups` declares groups
instead, `learned` and `not_learned`; sets in neither are `undecided`, and a set in both is
refused. Trends are not affected.
"""

import pandas as pd

from tuning_dynamics.stats.groups import group_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    eval_set: str
    """the evaluation set"""
    group: str
    """`learned`, `not_learned` or `undecided`"""
    trend: float
    """least-squares slope of the base score over log10 tokens: score per tenfold tokens; a
    checkpoint at 0 tokens is placed at a third of the first one's"""
    trend_p: float
    """two-sided p-value of Kendall's tau between tokens and score; exact for up to 8 checkpoints,
    with ties"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return group_rows(tables["scores"], alpha=asked.alpha, declared=asked.groups)
