"""Agreement of answers that are one of a few categories, corrected for chance."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.generic]

# A chance of agreement this close to 1 is 1 but for rounding.
_ROUNDING = 1e-12


def corrected(agreement: float, chance: float) -> float:
    """(agreement - chance) / (1 - chance); NaN if all answers are of one category."""
    if chance > 1.0 - _ROUNDING:
        return float("nan")
    return (agreement - chance) / (1.0 - chance)


def cohen_kappa(first: Codes, second: Codes) -> float:
    """Cohen's kappa (1960) of two raters' categories, each (items,).

    Chance: that two raters agree who give each category as often as these, independently.
    """
    shares = [(first == one).mean() * (second == one).mean() for one in np.unique(first)]
    return corrected(float((first == second).mean()), float(sum(shares)))


def pairwise_agreement(answers: Codes) -> float:
    """Share of equal answers, mean over all pairs of raters; `answers` is (items, raters)."""
    pairs = combinations(range(answers.shape[1]), 2)
    return float(np.mean([(answers[:, a] == answers[:, b]).mean() for a, b in pairs]))


def fleiss_kappa(answers: Codes) -> float:
    """Fleiss' kappa (1971) of several raters' categories, (items, raters).

    Chance: that two raters agree who give each category as often as all do together.
    """
    shares = [float((answers == one).mean()) for one in np.unique(answers)]
    return corrected(pairwise_agreement(answers), float(np.square(shares).sum()))
