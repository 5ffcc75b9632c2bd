"""The smallest difference that a design can see.

A true difference of (q(.975) + q(.8)) standard errors is found by a two-sided test of 5 % in 80 %
of studies (Cohen 1988, chapter 2). q is the normal distribution's quantile z; a part of the
variance that is estimated from few units moves it towards Student's t by (t - z) times the part's
share to the power of 1.25, between Cochran's rule (1964) and Welch's first order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

#: False positives of the test, two-sided, and the share of studies that find the difference.
ALPHA, POWER = 0.05, 0.8

#: The power of a part's share in the quantile. 1 is Cochran's rule (1964, Biometrics 20:191), which
#: covers too much where a part of one degree of freedom is small (97.8 % of 95 %); 2 is the first
#: order of Welch's, which then covers too little where it is large (90.7 %). In between coverage is
#: 93 to 97 % for one degree of freedom, and 94.7 to 96.5 % for two.
SHARE_POWER = 1.25


@dataclass(frozen=True)
class ErrorPart:
    """A part of an estimate's variance; `freedom` are the degrees of freedom by which it is
    estimated, None for many."""

    variance: float
    freedom: int | None = None


def standard_error(parts: Sequence[ErrorPart]) -> float:
    """The root of the parts' sum."""
    return math.sqrt(sum(part.variance for part in parts))


def smallest_difference(parts: Sequence[ErrorPart]) -> float:
    """The difference that is found in 80 % of studies; NaN if nothing varies, as then no error is
    known. ValueError for degrees of freedom below 1."""
    error = standard_error(parts)
    if not error:
        return math.nan
    return error * (_reach(parts, error, 1 - ALPHA / 2) + _reach(parts, error, POWER))


def _reach(parts: Sequence[ErrorPart], error: float, probability: float) -> float:
    """How many standard errors the quantile of a probability is away."""
    normal = quantile(probability, None)
    beyond = 0.0
    for part in parts:
        share = part.variance / error**2
        beyond += (quantile(probability, part.freedom) - normal) * math.pow(share, SHARE_POWER)
    return normal + beyond


@cache
def quantile(probability: float, freedom: int | None) -> float:
    """The quantile of Student's t, for a probability above .5; of the normal distribution for None.

    By halving an interval, to 1e-12 of the value.
    """
    if freedom is None:
        return NormalDist().inv_cdf(probability)
    if freedom < 1:
        raise ValueError(f"degrees of freedom: {freedom}")
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, freedom) < probability else (low, middle)
    return high


def _t_below(value: float, freedom: int) -> float:
    """Student's distribution function for value >= 0 (Abramowitz and Stegun 1964, 26.7.3-4)."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * power / (power + 1)
    central = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + central) / 2


def repeated_parts(items: float, *repeats: tuple[int, float]) -> list[ErrorPart]:
    """Parts of the error of a mean over repeats on one evaluation set: a change over seeds of
    tuning, a few-shot score over draws of demonstrations.

    `items` is the variance of the mean over the set's items, which all repeats share; `repeats` are
    each kind's number and the standard deviation between them. One repeat says nothing of others:
    it adds no part, and the error is for these seeds or draws.
    """
    several = [(number, deviation) for number, deviation in repeats if number > 1]
    return [
        ErrorPart(items),
        *(ErrorPart(deviation**2 / number, number - 1) for number, deviation in several),
    ]


@dataclass(frozen=True)
class Crossed:
    """Pairs of train and evaluation set: of how many sets of each, and the variances of the mean
    over the pairs that train sets, evaluation sets and single pairs give it.

    `trains` and `evals` hold `left`, that of single pairs, as sums over sets do.
    """

    train_sets: int
    eval_sets: int
    trains: float
    evals: float
    left: float


def crossed_parts(pairs: Crossed) -> list[ErrorPart]:
    """Parts of the error of a mean change over pairs, train sets and evaluation sets crossed.

    What single pairs add is in the sums over both kinds of sets. (n - 2) / n of it is taken out of
    the sums over n sets, so that it counts once in all. ValueError for one set of either kind.
    """
    sizes = (pairs.train_sets, pairs.eval_sets)
    shares = [(size - 2) / size for size in sizes]
    trains, evals = (
        max(variance - share * pairs.left, 0.0)
        for variance, share in zip((pairs.trains, pairs.evals), shares, strict=True)
    )
    rest = max((sum(shares) - 1) * pairs.left, 0.0)
    freedoms = [size - 1 for size in sizes]
    return [
        ErrorPart(trains, freedoms[0]),
        ErrorPart(evals, freedoms[1]),
        ErrorPart(rest, freedoms[0] * freedoms[1]),
    ]
