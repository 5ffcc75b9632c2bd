"""Estimates over cells, with a bootstrap that draws independent units.

The cells of one (train set, evaluation set) pair at several seeds or checkpoints are no
independent evidence, so they are drawn together: the pair is the unit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.stats.bootstrap import interval_of, unit_counts

Floats = NDArray[np.float64]
# From weights (resamples, cells) to one number a resample.
Statistic = Callable[[Floats], Floats]

# With 4 units of equal sign the whole bootstrap lies on one side of 0 although chance alone does
# that once in 8 times; with 5, once in 16. Below 5 a 95 % interval would promise too much.
MIN_UNITS = 5


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn: number of resamples, share of them inside, seed."""

    resamples: int
    level: float
    seed: int


@dataclass(frozen=True)
class Estimate:
    """A number, its interval (NaN where there are fewer than MIN_UNITS units), and of how many."""

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


def estimate(statistic: Statistic, units: Sequence[str], drawing: Drawing) -> Estimate:
    """`statistic` of all cells, with the percentile interval of resampled units.

    `units` gives each cell's unit. No cells give NOTHING.
    """
    if len(units) == 0:
        return NOTHING
    codes, names = pd.factorize(pd.Series(list(units), dtype="str"))
    value = float(statistic(np.ones((1, len(units))))[0])
    low = high = np.nan
    if len(names) >= MIN_UNITS:
        drawn = statistic(unit_counts(len(names), drawing.resamples, drawing.seed)[:, codes])
        low, high = (float(end) for end in interval_of(drawn[:, None], drawing.level)[0])
    return Estimate(value, low, high, len(units), len(names))


def contrast(
    first: Floats,
    first_units: Sequence[str],
    second: Floats,
    second_units: Sequence[str],
    drawing: Drawing,
) -> Estimate:
    """Mean of `first` less mean of `second`; units of the two are drawn independently.

    `units` of the result is the smaller of the two numbers, since that limits the interval.
    """
    units = min(len(set(first_units)), len(set(second_units)))
    cells = len(first) + len(second)
    if units == 0:
        return Estimate(np.nan, np.nan, np.nan, cells, 0)
    value = float(first.mean() - second.mean())
    if units < MIN_UNITS:
        return Estimate(value, np.nan, np.nan, cells, units)
    # Another seed for the second group, which would else be drawn alike.
    drawn = _drawn_means(first, first_units, drawing.resamples, drawing.seed) - _drawn_means(
        second, second_units, drawing.resamples, drawing.seed + 1
    )
    low, high = (float(end) for end in interval_of(drawn[:, None], drawing.level)[0])
    return Estimate(value, low, high, cells, units)


def mean_of(values: Floats) -> Statistic:
    """Weighted mean of `values`."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1))


def ratio_of_means(numerator: Floats, denominator: Floats) -> Statistic:
    """Weighted sum of `numerator` over that of `denominator`; NaN where the latter is 0."""

    def statistic(weights: Floats) -> Floats:
        below = weights @ denominator
        unknown: Floats = np.full(len(weights), np.nan)
        return np.divide(weights @ numerator, below, out=unknown, where=below != 0)

    return statistic


def median_of(values: Floats) -> Statistic:
    """Median of `values` repeated as often as their (whole) weights say."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]

    def statistic(weights: Floats) -> Floats:
        running = np.cumsum(weights[:, order], axis=1)
        total = running[:, -1]
        lower = (running <= ((total - 1) // 2)[:, None]).sum(axis=1)
        upper = (running <= (total // 2)[:, None]).sum(axis=1)
        return np.asarray((ordered[lower] + ordered[upper]) / 2)

    return statistic


def _drawn_means(values: Floats, units: Sequence[str], resamples: int, seed: int) -> Floats:
    codes, names = pd.factorize(pd.Series(list(units), dtype="str"))
    return mean_of(values)(unit_counts(len(names), resamples, seed)[:, codes])


def pair_units(frame: pd.DataFrame) -> list[str]:
    """Each row's unit: its train set and evaluation set."""
    return [
        f"{train_set} on {eval_set}"
        for train_set, eval_set in zip(frame["train_set"], frame["eval_set"], strict=True)
    ]
