"""Cells that only one of two studies has.

Made by `snakemake compare`: one row per cell of only one side.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "compare"


class Row(CellColumns):
    """A row."""

    side: str
    """`a` or `b`"""
    score: float
    """its score"""
