"""Cells that were refused, and tuned cells without a base to be compared with.

Tuned cells that have no `base` cell to be compared with, so that they are in `scores.csv` and not
in `changes.csv`; and in a `partial` study the cells that were refused, those of `base` among them,
which are in neither.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A row."""

    reason: str
    """why: the untuned checkpoint is not evaluated on the set, or in other formats or by other
    methods only, which are named; its cell was refused; or this cell was (`refused: …`)"""
