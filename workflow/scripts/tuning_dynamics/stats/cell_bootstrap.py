"""Estimates over cells, with a bootstrap that draws independent units.

The cells of one (train set, evaluation set) pair at several seeds or checkpoints are not
independent evidence, so they are drawn together: the pair is the unit. A pair's value already has
the noise of its own seeds and items; drawing those again within the pair would count it twice
(Davison and Hinkley 1997, section 3.8). Drawing pairs misses that pairs of one evaluation set share
its items: that noise is added, from the cells' own standard errors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, t

from tuning_dynamics.stats.bootstrap import interval_of, unit_counts

Floats = NDArray[np.float64]
# Maps weights (resamples, cells) and values (resamples or 1, cells) to one number per resample.
Statistic = Callable[[Floats, Floats], Floats]

# With 4 units of equal sign the whole bootstrap lies on one side of 0, although chance alone gives
# equal signs once in 8 times; with 5, once in 16. Below 5 a 95 % interval would be overconfident.
MIN_UNITS = 5

# Limit of one block of resampled values, in numbers of 8 bytes: 16 MiB.
_BLOCK_NUMBERS = 2 * 2**20


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn: number of resamples, coverage, seed."""

    resamples: int
    level: float
    seed: int


@dataclass(frozen=True)
class Sample:
    """Values of n cells, each with its unit, its standard error over items (NaN if unknown), and
    the evaluation set, whose cells share items."""

    values: Floats
    units: Sequence[str]
    errors: Floats = field(default_factory=lambda: np.empty(0))
    items_of: Sequence[str] = ()

    def where(self, kept: NDArray[np.bool_]) -> "Sample":
        """The cells that are kept."""
        chosen = [int(index) for index in np.flatnonzero(kept)]
        return Sample(
            self.values[chosen],
            [self.units[index] for index in chosen],
            self.errors[chosen] if len(self.errors) else self.errors,
            [self.items_of[index] for index in chosen] if self.items_of else (),
        )


@dataclass(frozen=True)
class Estimate:
    """A number, its interval (NaN below MIN_UNITS units), and its counts of cells and units."""

    value: float
    low: float
    high: float
    cells: int
    units: int

    @property
    def thin(self) -> bool:
        """Whether there are too few units for an interval."""
        return self.units < MIN_UNITS


NOTHING = Estimate(np.nan, np.nan, np.nan, 0, 0)


def estimate(statistic: Statistic, sample: Sample, drawing: Drawing) -> Estimate:
    """`statistic` of all cells, with the expanded percentile interval of resampled units.

    NOTHING if there are no cells.
    """
    cells, units = len(sample.values), len(set(sample.units))
    if cells == 0:
        return NOTHING
    value = float(statistic(np.ones((1, cells)), sample.values[None, :])[0])
    if units < MIN_UNITS:
        return Estimate(value, np.nan, np.nan, cells, units)
    drawn = _drawn(statistic, sample, drawing.resamples, drawing.seed)
    low, high = ends(drawn, drawing.level, units)
    return Estimate(value, low, high, cells, units)


def contrast(first: Sample, second: Sample, drawing: Drawing) -> Estimate:
    """Mean of `first` less mean of `second`; units of the two are drawn independently.

    `units` of the result is the smaller of the two numbers, since that limits the interval.
    """
    units = min(len(set(first.units)), len(set(second.units)))
    cells = len(first.values) + len(second.values)
    if units == 0:
        return Estimate(np.nan, np.nan, np.nan, cells, 0)
    value = float(first.values.mean() - second.values.mean())
    if units < MIN_UNITS:
        return Estimate(value, np.nan, np.nan, cells, units)
    # Another seed for the second group, which would otherwise get the same draws.
    drawn = _drawn(mean, first, drawing.resamples, drawing.seed) - _drawn(
        mean, second, drawing.resamples, drawing.seed + 1
    )
    low, high = ends(drawn, drawing.level, units)
    return Estimate(value, low, high, cells, units)


def ends(drawn: Floats, level: float, units: int) -> tuple[float, float]:
    """The central part of resampled statistics that has coverage `level` even for few `units`.

    The percentile interval of k units is too narrow by the root of (k - 1) / k, and by a normal
    distribution in place of Student's t with k - 1 degrees of freedom. The expanded percentile
    interval (Hesterberg 2015, The American Statistician 69(4), 371-386) uses quantiles further out.
    """
    low, high = interval_of(drawn[:, None], _expanded(level, units))[0]
    return float(low), float(high)


@cache
def _expanded(level: float, units: int) -> float:
    reach = sqrt(units / (units - 1)) * float(t.ppf((1 + level) / 2, units - 1))
    return float(1 - 2 * norm.sf(reach))


def mean(weights: Floats, values: Floats) -> Floats:
    """Weighted mean."""
    return np.asarray((weights * values).sum(axis=1) / weights.sum(axis=1))


def over(denominator: Floats) -> Statistic:
    """Weighted sum of the values over that of `denominator`; NaN if the latter is 0."""

    def statistic(weights: Floats, values: Floats) -> Floats:
        below = weights @ denominator
        unknown: Floats = np.full(len(weights), np.nan)
        above = (weights * values).sum(axis=1)
        return np.asarray(np.divide(above, below, out=unknown, where=below != 0))

    return statistic


def median(weights: Floats, values: Floats) -> Floats:
    """Median of the values repeated as often as their (whole) weights say."""
    order = np.argsort(values, axis=1, kind="stable")
    order = np.broadcast_to(order, weights.shape)
    ordered = np.take_along_axis(np.broadcast_to(values, weights.shape), order, axis=1)
    running = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    total = running[:, -1]
    middle = [(running <= (place // 2)[:, None]).sum(axis=1) for place in (total - 1, total)]
    rows = np.arange(len(weights))
    return np.asarray((ordered[rows, middle[0]] + ordered[rows, middle[1]]) / 2)


def _drawn(statistic: Statistic, sample: Sample, resamples: int, seed: int) -> Floats:
    """The statistic of each resample of units, plus the noise of shared items."""
    codes, names = pd.factorize(np.asarray(sample.units, dtype=object))
    counts = unit_counts(len(names), resamples, seed)
    shared, spread = _shared_noise(sample)
    shifts = np.random.default_rng([seed, 1]).standard_normal((resamples, shared.max() + 1))
    drawn = np.empty(resamples)
    block = max(1, _BLOCK_NUMBERS // len(codes))
    for start in range(0, resamples, block):
        rows = slice(start, start + block)
        values = sample.values[None, :]
        if spread.any():
            values = values + shifts[rows][:, shared] * spread
        drawn[rows] = statistic(counts[rows][:, codes], values)
    return drawn


def _shared_noise(sample: Sample) -> tuple[NDArray[np.int64], Floats]:
    """Each cell's evaluation set as a code, and the standard error that drawing units misses.

    The sum of m units on one set, which share items and so noise, has m^2 times one unit's
    variance; drawn as independent they give m times. Added noise of (m - 1) / m the variance makes
    up for it. Nothing is missed if each unit has its own set, or if the error is unknown.
    """
    cells = len(sample.values)
    if not sample.items_of:
        return np.zeros(cells, dtype=np.int64), np.zeros(cells)
    frame = pd.DataFrame({"set": list(sample.items_of), "unit": list(sample.units)})
    units = frame.groupby("set")["unit"].transform("nunique").to_numpy(dtype=float)
    codes = pd.factorize(frame["set"])[0].astype(np.int64)
    return codes, np.nan_to_num(sample.errors) * np.sqrt((units - 1) / units)


def pair_units(frame: pd.DataFrame) -> list[str]:
    """Each row's unit: its train set and evaluation set."""
    return [
        f"{train_set} on {eval_set}"
        for train_set, eval_set in zip(frame["train_set"], frame["eval_set"], strict=True)
    ]


def errors_of(low: pd.Series, high: pd.Series, level: float) -> Floats:
    """The standard error that an interval of this level implies; NaN if it is empty."""
    width = high.to_numpy(dtype=float) - low.to_numpy(dtype=float)
    return np.asarray(width / (2 * norm.ppf((1 + level) / 2)))


def error_of_mean(cells: pd.DataFrame) -> float:
    """Standard error of the mean of cells with the columns `eval_set` and `error`.

    Errors of one evaluation set's cells, which share its items, add up; those of different sets
    add up in squares. NaN if any is unknown.
    """
    sets, names = pd.factorize(cells["eval_set"])
    by_set = np.bincount(sets, weights=cells["error"], minlength=len(names))
    return float(np.sqrt((by_set**2).sum()) / len(cells))
