"""Sets learned in pre-training, and others.

Which evaluation sets the base model learns in pre-training.

A set is `learned` when the curve of its score is shown to rise, by the rule of
`turning_points.csv`: a p-value below `learned_alpha` (0.05), or a last score that exceeds the first
by 0.2 or more, with intervals that don't overlap. It is `undecided` with fewer than 5 checkpoints.
Otherwise it is `other`: not shown to be learned, which is no evidence that it is not; only where
`shape` is `flat` does the study show that its slope lies within `flat_margin`. `statistics.groups`
declares groups instead, `learned` and `not_learned` (here `other`); sets in neither are
`undecided`, and a set in both is refused. Shapes and trends are not affected.

Groups are always of scores, as it is changes of scores that they compare: a set that
`turning_points.csv` judges by the probability of the right option may rise there, and not here.
"""

import pandas as pd

from tuning_dynamics.stats.compared_changes import grouping_scores
from tuning_dynamics.stats.curve_measure import SCORE
from tuning_dynamics.stats.groups import base_curves, group_rows
from tuning_dynamics.stats.summaries.turning_points import turning_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    eval_set: str
    """the evaluation set"""
    group: str
    """`learned`, `other` or `undecided`"""
    compared_group: str
    """the same from the first half of the items alone (`halves.csv`): the groups in which changes
    by tuning, of the second half, are compared; as `group` if groups are declared, and for
    published scores"""
    shape: str
    """as in `turning_points.csv`, but always that of the score"""
    trend: float
    """least-squares slope of the base score over log10 tokens: score per tenfold tokens; a
    checkpoint at 0 tokens is placed at a third of the first one's"""
    trend_low: float
    """low end of its interval"""
    trend_high: float
    """high end"""
    trend_p: float
    """p-value of a rise of the score, of any form"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    scores = grouping_scores(tables, asked.drawing.level, declared=asked.groups is not None)
    return group_rows(
        _curves_of_scores(tables, asked),
        base_curves(scores),
        drawing=asked.drawing,
        alpha=asked.alpha,
        margin=asked.margin,
        declared=asked.groups,
    )


def _curves_of_scores(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """Rows of turning_points.csv for base, all judged by the score."""
    judged = tables["turning_points"]
    if (judged["measure"] == SCORE).all():
        return judged
    return turning_rows(tables["seed_means"].query("recipe == 'base'"), asked)
