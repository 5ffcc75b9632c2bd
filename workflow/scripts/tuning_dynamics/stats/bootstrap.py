"""Percentile bootstrap of means over items, for one cell or for many at once.

Draws are those of `scipy.stats.bootstrap(..., method="percentile", rng=default_rng(seed))`, so
that intervals agree with it. Cells of equal n share their draws: a resample becomes a row of item
counts, and all means of all cells one matrix product.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.study.errors import StudyError

Floats = NDArray[np.float64]

# Bound of one block of counts, in numbers of 8 bytes: 64 MiB.
_BLOCK_NUMBERS = 8 * 2**20


def resample_indices(n: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Indices of `resamples` draws of n items with replacement; shape (resamples, n).

    Raises StudyError for n < 2, of which no interval can be made.
    """
    _check(n, resamples)
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Means of resampled items; `values` is (n items, cells), the result (resamples, cells).

    Memory: the result and one block of 64 MiB, whatever n.
    """
    n = values.shape[0]
    _check(n, resamples)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    block = max(1, _BLOCK_NUMBERS // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        counts = _item_counts(generator.integers(0, n, size=(rows, n)), n)
        means[start : start + rows] = counts @ values / n
    return means


def percentile_interval(
    values: Sequence[float] | Floats, resamples: int, level: float, seed: int
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of `values` (one number an item)."""
    low, high = percentile_intervals([np.asarray(values, dtype=float)], resamples, level, seed)[0]
    return float(low), float(high)


def percentile_intervals(
    cells: Sequence[Floats], resamples: int, level: float, seed: int
) -> Floats:
    """Intervals of the means of many cells, each a vector over items; shape (cells, 2).

    Cells of equal n are done together. Raises StudyError where a cell has fewer than 2 items.
    """
    intervals = np.empty((len(cells), 2))
    sizes = np.array([len(cell) for cell in cells], dtype=int)
    for n in np.unique(sizes):
        members = np.flatnonzero(sizes == n)
        block = max(1, _BLOCK_NUMBERS // max(int(n), resamples))
        for start in range(0, len(members), block):
            chosen = members[start : start + block]
            values = np.column_stack([cells[index] for index in chosen])
            intervals[chosen] = interval_of(resampled_means(values, resamples, seed), level)
    return intervals


def interval_of(resampled: Floats, level: float) -> Floats:
    """The central `level` share of each column of resampled statistics; shape (columns, 2)."""
    if not 0.0 < level < 1.0:
        raise StudyError(
            "the level of an interval is a share between 0 and 1",
            key="level",
            value=level,
            fix="give 0.95 for a 95 % interval",
        )
    tail = (1.0 - level) / 2.0
    return np.quantile(resampled, [tail, 1.0 - tail], axis=0).T


def unit_counts(units: int, resamples: int, seed: int) -> Floats:
    """How often each of `units` is drawn in each resample; shape (resamples, units)."""
    return _item_counts(resample_indices(units, resamples, seed), units)


def _item_counts(indices: NDArray[np.int64], n: int) -> Floats:
    rows = len(indices)
    flat = indices + n * np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * n).reshape(rows, n).astype(float)


def _check(n: int, resamples: int) -> None:
    if n < 2:
        raise StudyError(
            f"an interval needs at least 2 items, and this cell has {n}",
            key="items",
            value=n,
            fix="evaluate more items of this set",
        )
    if resamples < 1:
        raise StudyError(
            "the bootstrap needs at least 1 resample",
            key="resamples",
            value=resamples,
            fix="give 3000, the default",
        )
