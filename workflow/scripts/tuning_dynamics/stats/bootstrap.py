"""Bootstrap intervals of means over items: percentile and BCa, clustered.

Items that share a context (a story, a passage) are drawn together: the unit of resampling is the
context, and a mean is the ratio of the units' sums of scores to their numbers of items. If no two
items share one, each item is a unit, and draws and intervals are those of
`scipy.stats.bootstrap(..., rng=default_rng(seed))`.

Cells with the same units share their draws: a resample is a row of counts, and the means of all
cells are one matrix product. So the draws of a difference of cells, or of a mean over seeds, are
the difference or mean of the cells' own draws.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 14; Davison
and Hinkley, Bootstrap Methods and their Application (1997), section 3.8, for clusters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from tuning_dynamics.common.errors import StudyError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Limit of one block of counts, in numbers of 8 bytes: 32 MiB.
_BLOCK_NUMBERS = 4 * 2**20

# The level furthest out: of 1, which rounding makes of the level for 2 units, BCa has no quantile.
_OUTERMOST = 1 - 1e-12

# Means closer than this differ only by rounding: scores lie in [-1, 1], others are in units of
# their size.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimates:
    """Means of several cells, or of combinations of them, each field of shape (cells,).

    `se` is the standard error over items (over contexts if items share them).
    """

    value: Floats
    se: Floats
    low: Floats
    high: Floats


def without_zero_width(found: Estimates) -> Estimates:
    """Estimates whose error and interval are NaN where the interval has no width: no resample
    differs from another, and such an interval would claim certainty."""
    certain = found.high - found.low <= _ROUNDING * np.maximum(1.0, np.abs(found.value))
    known = (np.where(certain, np.nan, ends) for ends in (found.se, found.low, found.high))
    return Estimates(found.value, *known)


# --- units -------------------------------------------------------------------------------------


def unit_sums(values: Floats, units: Integers) -> Floats:
    """Sum of `values` (items, cells) within each unit; `units` is each item's, 0 to u - 1.

    The result is (units, cells): `values` itself, in order of units, where each has one item.
    """
    order = np.argsort(units, kind="stable")
    ordered = values[order]
    sizes = unit_sizes(units)
    if len(sizes) == len(units):
        return ordered
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    return np.asarray(np.add.reduceat(ordered, starts, axis=0))


def unit_sizes(units: Integers) -> Floats:
    """Number of items of each unit, shape (units,)."""
    return np.bincount(units).astype(float)


# --- draws -------------------------------------------------------------------------------------


def resampled_means(sums: Floats, sizes: Floats, resamples: int, seed: int) -> Floats:
    """Means of resampled units; `sums` is (units, cells), the result (resamples, cells).

    Memory: the result and one block of counts, whatever the number of units. Raises StudyError
    for fewer than 2 units, which give no interval.
    """
    units = len(sizes)
    _check(units, resamples)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, sums.shape[1]))
    block = max(1, _BLOCK_NUMBERS // units)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        counts = _unit_counts(generator.integers(0, units, size=(rows, units)), units)
        drawn = means[start : start + rows]
        np.matmul(counts, sums, out=drawn)
        drawn /= (counts @ sizes)[:, None]
    return means


def _unit_counts(indices: Integers, units: int) -> Floats:
    rows = len(indices)
    indices += units * np.arange(rows)[:, None]
    counts = np.bincount(indices.ravel(), minlength=rows * units)
    return counts.reshape(rows, units).astype(float)


# --- intervals over items ----------------------------------------------------------------------


def interval_of(drawn: Floats, level: float) -> Floats:
    """The central `level` share of each column of `drawn` (resamples, cells); shape (cells, 2)."""
    tail = _tail(level)
    return np.asarray(np.quantile(drawn, [tail, 1.0 - tail], axis=0).T)


def expanded(level: float, units: int) -> float:
    """The level of a percentile interval that has coverage `level` even for few units.

    That of k units is too narrow by the root of (k - 1) / k, and by a normal distribution in place
    of Student's t with k - 1 degrees of freedom. The expanded percentile interval (Hesterberg 2015,
    The American Statistician 69:371) takes quantiles further out.
    """
    reach = np.sqrt(units / (units - 1)) * stdtrit(units - 1, 1.0 - _tail(level))
    return min(float(2 * ndtr(reach) - 1), _OUTERMOST)


def bca_interval(drawn: Floats, value: Floats, acceleration: Floats, level: float) -> Floats:
    """Bias-corrected and accelerated interval of each column of `drawn`; shape (cells, 2).

    `drawn` is (resamples, cells), `value` and `acceleration` (cells,). Efron and Tibshirani
    (1993), equations 14.9 to 14.14; draws equal to `value` count half, as in scipy.
    """
    tail = _tail(level)
    below = (drawn < value - _ROUNDING).sum(axis=0) + (drawn <= value + _ROUNDING).sum(axis=0)
    # Without draws on one side the end would be at infinity: count at least half a draw.
    bias = ndtri(np.clip(below / 2, 0.5, len(drawn) - 0.5) / len(drawn))
    ends = np.empty((len(value), 2))
    ordered = np.sort(drawn, axis=0)
    for side, share in enumerate((tail, 1.0 - tail)):
        shifted = bias + ndtri(share)
        ends[:, side] = _quantiles(ordered, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return ends


def _quantiles(ordered: Floats, shares: Floats) -> Floats:
    """The quantile `shares[c]` of each ordered column c, interpolated as `np.quantile` does."""
    place = shares * (len(ordered) - 1)
    lower = np.minimum(place.astype(int), len(ordered) - 2)
    columns = np.arange(len(shares))
    start, end = ordered[lower, columns], ordered[lower + 1, columns]
    return np.asarray(start + (end - start) * (place - lower))


def means(sums: Floats, sizes: Floats) -> Floats:
    """Mean over items of each cell of `sums` (units, cells); shape (cells,)."""
    return np.asarray(sums.sum(axis=0) / sizes.sum())


def standard_errors(sums: Floats, sizes: Floats) -> Floats:
    """Standard errors of `means`, shape (cells,).

    Those of a ratio of sums over units (Cochran, Sampling Techniques, 1977, equation 2.40, with
    units - 1); with one item a unit, standard deviation over the root of n.
    """
    units = len(sizes)
    residual = sums - sizes[:, None] * means(sums, sizes)
    squares = np.einsum("uc,uc->c", residual, residual)
    return np.asarray(np.sqrt(squares * units / (units - 1)) / sizes.sum())


def accelerations(sums: Floats, sizes: Floats) -> Floats:
    """Acceleration of BCa from the jackknife over units, shape (cells,); 0 for equal scores.

    Leaving a unit out of a ratio of sums needs no second pass. Efron and Tibshirani (1993),
    equation 14.15.
    """
    without = (sums.sum(axis=0) - sums) / (sizes.sum() - sizes)[:, None]
    moved = without.mean(axis=0) - without
    squares = np.einsum("uc,uc->c", moved, moved)
    cubes = np.einsum("uc,uc,uc->c", moved, moved, moved)
    none: Floats = np.zeros(len(squares))
    # Scores that are equal up to rounding have no skew.
    np.divide(cubes, 6 * squares**1.5, out=none, where=squares > _ROUNDING**2)
    return none


# --- checks ------------------------------------------------------------------------------------


def _tail(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise StudyError(
            "the level of an interval is a share between 0 and 1",
            key="level",
            value=level,
            fix="give 0.95 for a 95 % interval",
        )
    return (1.0 - level) / 2.0


def _check(units: int, resamples: int) -> None:
    if units < 2:
        raise StudyError(
            f"an interval needs at least 2 units to resample, but there are {units}",
            key="items",
            value=units,
            fix="evaluate more items of this set, from more than one context",
        )
    if resamples < 1:
        raise StudyError(
            "the bootstrap needs at least 1 resample",
            key="resamples",
            value=resamples,
            fix="give 3000, the default",
        )
