"""Cells that were refused, and tuned cells without a base to be compared with.

Tuned cells without a `base` cell, which are in `scores.csv` but not in `changes.csv`; and in a
`partial` study the refused cells, those of `base` included, which are in neither.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A row."""

    reason: str
    """why: the untuned checkpoint is not evaluated on the set, or only in other formats or by other
    methods, which are named; its cell was refused; or this cell was (`refused: …`)"""
