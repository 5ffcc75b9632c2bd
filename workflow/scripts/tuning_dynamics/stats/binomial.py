"""Exact intervals of shares of right answers.

A bootstrap of zeros and ones has no width where all items agree, and covers little near 0 and 1.
Blaker's interval (2000, Canadian Journal of Statistics 28:783) is exact, never without width, and
shorter than Clopper and Pearson's: it holds all shares p under which a count at least as unlikely
as the observed one has a probability above alpha.

Exact intervals hold the truth too often, as counts are discrete. So alpha is 1 - level times
1 + 2 / sqrt(n), by which the mean coverage over all p is the level, and the least coverage is not
below .93 at a level of .95 (benchmarks/coverage.py).
"""

from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, bdtrik
from scipy.stats import beta

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Points of one search for an end; three searches, each within a step of the one before.
_POINTS = 256


def share_interval(right: Integers, items: int, level: float) -> tuple[Floats, Floats]:
    """Low and high ends of the interval of a share, each of the shape of `right`: how many of
    `items` answers are right."""
    alpha = (1 - level) * (1 + 2 / sqrt(items))
    ends = np.array([_ends(int(count), items, alpha) for count in right]).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]


@cache
def _ends(right: int, items: int, alpha: float) -> tuple[float, float]:
    return _lowest(right, items, alpha), 1 - _lowest(items - right, items, alpha)


def _lowest(right: int, items: int, alpha: float) -> float:
    """The lowest share that is acceptable for a count."""
    if right == 0:
        return 0.0
    # Clopper and Pearson's interval holds Blaker's.
    start, end = float(beta.ppf(alpha / 2, right, items - right + 1)), right / items
    for _ in range(3):
        shares = np.linspace(start, end, _POINTS)
        first = max(1, int(np.argmax(_acceptability(right, items, shares) > alpha)))
        start, end = float(shares[first - 1]), float(shares[first])
    return end


def _acceptability(right: int, items: int, shares: Floats) -> Floats:
    """For shares below the observed one: the probability of at least this count, and of the lower
    counts whose tail is no more likely than that."""
    above = bdtrc(right - 1, items, shares)
    # The real number at which the lower tail is as likely, less what rounding adds to it.
    count = np.floor(bdtrik(above, items, shares) - 1e-9)
    return np.asarray(above + np.where(count >= 0, bdtr(count, items, shares), 0.0))
