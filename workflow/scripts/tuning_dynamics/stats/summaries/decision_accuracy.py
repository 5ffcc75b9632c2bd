"""Whether an early checkpoint orders models as the last one does.

Decision accuracy (Magnusson et al. 2025, DataDecide): of all pairs of models, the share whose order
by the early score is that by the last one. Guessing gives .5 on average. A pair with equal last
scores has no order and does not count; one with equal early scores counts half. Pairs share models,
so that the number of models, not of pairs, says how much a share is worth.

Compared are families of untuned models, each at the same share of its own pre-training (its last
checkpoint up to that share, none of less than half of it; reruns of a family are left out), and the
tuned models of one family (recipe and train set, mean over seeds) at each earlier checkpoint.
Format `default`, one row per metric.
"""

import pandas as pd

from tuning_dynamics.stats.decisions import decision_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    compared: str
    """`families` or `tuned models`"""
    family: str
    """family of the tuned models; empty where families are compared"""
    eval_set: str
    """as in `scores.csv`"""
    metric: str
    """as in `scores.csv`"""
    prediction: str
    """as in `scores.csv`"""
    shots: int
    """as in `scores.csv`"""
    checkpoint: str
    """label of the early checkpoint; empty where families are compared"""
    step: int
    """its step"""
    share: float
    """its tokens over those of the last checkpoint"""
    models: int
    """models with a score at both"""
    pairs: int
    """pairs of them that the last checkpoint orders"""
    decision_accuracy: float
    """share of these pairs that the early checkpoint orders alike"""
    reason: str
    """why there is none"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return decision_rows(tables["seed_means"], asked.reruns)
