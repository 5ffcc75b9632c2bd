"""Agreement of single answers over seeds of tuning.

One row per cell that was tuned with at least two seeds. Equal scores may hide different answers;
models that give every item one label agree, and `kappa` is then empty.
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A cell without its seed."""

    seed: int
    """empty: the row is over seeds"""
    seeds: int
    """number of seeds"""
    n: int
    """items"""
    agreement: float
    """share of items with the same answer, mean over pairs of seeds"""
    kappa: float
    """Fleiss' kappa of the answers, the agreement corrected for chance; for classification only"""
    right_agreement: float
    """share of items that both answer rightly or both wrongly, mean over pairs; empty unless all
    scores are 0 or 1"""
    right_kappa: float
    """Fleiss' kappa of being right; empty also if all answers are right, or all wrong"""
