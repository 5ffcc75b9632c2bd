"""Change by kind of train set and of evaluation set.

The effect of tuning on one kind of task on evaluation sets of each kind, for the study's main
recipe, without the train set itself. `statistics.transfer` restricts it to named `train_sets` and
`eval_sets`; rows of kind `all` then pool exactly those, whatever their kinds. A name that the study
does not have is refused.

`mean_ratio` is the mean of change / base score over all cells with a base score above 0, however
small: the published definition, which one small denominator can move far. `ratio_of_means` is the
sum of changes over the sum of base scores. `median_ratio` is the median of the ratios that
`mean_ratio` averages. `mean_change` is the mean of the changes, `normalised_change` that of change
/ (1 - `chance`), the share of the possible gain over guessing (chance is 0 for generation; sets
whose chance is unknown are left out). If `cells` of the ratios is less than that of `mean_change`,
the other cells had a base score of 0.

Rows `all` pool all checkpoints, one that is untrained (0 tokens) and has learned nothing to lose
among them. Finding `forgetting` gives `mean_change` without it, too.
"""

import pandas as pd

from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.transfer import chance_of, train_kinds_of, transfer_rows
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    checkpoint: str
    """label of the checkpoint, or `all` for all of them pooled"""
    step: int
    """its step; empty for `all`"""
    train_kind: str
    """kind of the train set: as `kind`, or `instruction`; `unknown` if a published table does
    not say; `all`"""
    eval_kind: str
    """kind of the evaluation sets, or `all`"""
    statistic: str
    """see above"""
    value: float
    """the statistic"""
    low: float
    """low end of its interval over train sets and evaluation sets; empty for a median, for 1 train
    set, and for fewer than 4 evaluation sets"""
    high: float
    """high end"""
    cells: int
    """number of changes"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return transfer_rows(
        tables["changes"],
        train_kinds_of(tables["datasets"]),
        chance_of(tables["datasets"]),
        level=asked.drawing.level,
        recipe=asked.recipe,
        train_sets=asked.train_sets,
        eval_sets=asked.eval_sets,
    )
