"""Change by task tuned on and task evaluated.

Mean change by the task tuned on and the task evaluated: main recipe, means over seeds, the train
set's own test items among them.

A task has few evaluation sets, so that these intervals, unlike those of `transfer.csv`, say nothing
of other sets of the task. Cells of one evaluation set, which share items, are taken to err alike;
different sets independently.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "summaries"


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
    empty where those are unknown"""
    high: float
    """high end"""
    cells: int
    """changes in it"""
    floor: float
    """noise floor of the evaluation sets, see `noise.csv`; empty where it is unknown"""
    under_floor: str
    """`yes` where the change is smaller; `unknown` where the floor is; else empty"""
