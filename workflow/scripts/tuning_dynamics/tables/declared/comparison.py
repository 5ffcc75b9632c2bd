"""Cells that two studies share, and how they differ.

Made by `snakemake compare` ([published.md](published.md)), in `results/compare/A_vs_B/tables/`:
one row per cell of both sides, sorted as `scores.csv`.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "compare"


class Row(CellColumns):
    """A row."""

    a_score: float
    """score on side a"""
    b_score: float
    """score on side b"""
    difference: float
    """b less a"""
    low: float
    """low end of its interval: paired over items, or from both standard errors; empty if neither is
    known"""
    high: float
    """high end"""
    p_value: float
    """p-value of no difference: sign-flip test over items, or normal test; else empty"""
    q_value: float
    """Benjamini and Hochberg's, over the table"""
    n: int
    """items, if both sides have as many"""
    paired: str
    """`items`: over the same items; `errors`: from both standard errors, as if items were others;
    `scores`: a difference alone"""
