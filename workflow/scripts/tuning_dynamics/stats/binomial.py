"""Intervals of shares of right answers.

A bootstrap of zeros and ones has no width where all items agree, and covers little near 0 and 1: 70
of 95 % for one item in a hundred of 120. These intervals always have a width.

Up to 20 right or wrong answers have Blaker's interval (2000, Canadian Journal of Statistics 28:
783): all shares p under which a count at least as unlikely as the observed one has a probability
above alpha. It is exact, so that it holds the truth too often, as counts are discrete; its alpha is
therefore 1 - level times 1 + 2 / sqrt(n). More have Jeffreys' interval (Brown, Cai and DasGupta
2001, Statistical Science 16:101). At a level of .95 and 30 to 5,000 items the two cover at least
93 % everywhere, and 95 to 98 % in the mean over close shares (benchmarks/coverage.py).
"""

from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, bdtrik, betaincinv

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Up to so many right, or wrong, answers have Blaker's interval.
_FEW = 20

# Points of one search for an end; three searches, each within a step of the one before.
_POINTS = 256


def share_interval(right: Integers, items: int, level: float) -> tuple[Floats, Floats]:
    """Low and high ends of the interval of a share, each of the shape of `right`: how many of
    `items` answers are right."""
    alpha = (1 - level) * (1 + 2 / sqrt(items))
    low, high = jeffreys(right / items, np.full(right.shape, float(items)), level)
    for place in np.flatnonzero(np.minimum(right, items - right) <= _FEW):
        low[place], high[place] = _blaker(int(right[place]), items, alpha)
    return low, high


def jeffreys(share: Floats, items: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of Jeffreys' interval of shares of `items` answers, which need not be whole numbers:
    with the effective number of items, it is that of dependent ones (Korn and Graubard 1998, Survey
    Methodology 24:193). A share of 0 or 1 is in its interval."""
    right, wrong = share * items, (1 - share) * items
    tail = (1 - level) / 2
    low = betaincinv(right + 0.5, wrong + 0.5, tail)
    high = betaincinv(right + 0.5, wrong + 0.5, 1 - tail)
    return np.where(right > 0, low, 0.0), np.where(wrong > 0, high, 1.0)


@cache
def _blaker(right: int, items: int, alpha: float) -> tuple[float, float]:
    return _lowest(right, items, alpha), 1 - _lowest(items - right, items, alpha)


def _lowest(right: int, items: int, alpha: float) -> float:
    """The lowest share that is acceptable for a count."""
    if right == 0:
        return 0.0
    # Clopper and Pearson's interval holds Blaker's.
    start, end = float(betaincinv(right, items - right + 1, alpha / 2)), right / items
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
