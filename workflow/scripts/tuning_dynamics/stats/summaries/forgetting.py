"""Change by task tuned on and task evaluated.

Mean change by the task tuned on and the task evaluated: main recipe, means over seeds, the train
set's own test items included.

A task has few evaluation sets, so that these intervals, unlike those of `transfer.csv`, say nothing
about other sets of the task. Errors of one evaluation set's cells, which share items, are taken as
fully correlated; those of different sets as independent.
"""

import pandas as pd

from tuning_dynamics.stats.forgetting import forgetting_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.transfer import train_tasks_of
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    checkpoint: str
    """label of the checkpoint, or `all` for all of them pooled"""
    step: int
    """its step; empty for `all`"""
    train_task: str
    """task of the train sets, as in `datasets.csv`"""
    eval_task: str
    """task of the evaluation sets"""
    change: float
    """mean of the changes"""
    low: float
    """low end of its interval, for these train and evaluation sets: over their items and seeds;
    empty if those are unknown"""
    high: float
    """high end"""
    cells: int
    """number of changes"""
    floor: float
    """noise floor of the evaluation sets, see `noise.csv`; empty if it is unknown"""
    under_floor: str
    """`yes` if the change is smaller; `unknown` if the floor is; else empty"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return forgetting_rows(
        tables["seed_means"],
        train_tasks_of(tables["datasets"]),
        tables["noise"],
        level=asked.drawing.level,
        recipe=asked.recipe,
    )
