"""Means over replicates (seeds of tuning, draws of demonstrations) with intervals over them and
over items.

All replicates are scored on the same items, so replicates and items are crossed, with three
components of variance: items (ease), replicates (skill), and their interaction. The interaction is
part of the variance between the replicates' scores and of the variance of their mean over items; it
must count once:

    replicates: (variance between them - kept x interaction) / R, at least 0
    items: variance of the mean over items - (1 - kept) x interaction / R, at least 0

for R replicates. `kept` = (R - 2) / R: the variance of few replicates is so uncertain that
subtracting all of it would too often leave nothing (docs/statistics.md has the simulation). A
bootstrap of 2 to 5 replicates would make the first too small, so it has Student's t with R - 1
degrees of freedom, weighed by its share of the variance (`components`). The interval over items
keeps its skew; with one replicate it is the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.stats.binomial import jeffreys
from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers
from tuning_dynamics.stats.components import Component, beyond_normal, normal_quantile
from tuning_dynamics.stats.item_intervals import effective_items

# With few right, or few wrong, answers the variance of their share is itself uncertain, so that it
# is drawn towards that of independent items, as if so many more answers were known.
_PRIOR = 0.5


@dataclass(frozen=True)
class Factor:
    """What is replicated: an estimate per replicate, and the mean that each belongs to."""

    each: Estimates
    groups: Integers


@dataclass(frozen=True)
class Shares:
    """Which means are shares of right answers, (m,), and to how many items."""

    which: NDArray[np.bool_]
    items: int


def over_replicates(
    mean: Estimates,
    factors: Sequence[Factor],
    level: float,
    shares: Shares | None = None,
) -> Estimates:
    """Means, (m,), with intervals over items and the factors' replicates.

    `mean` are the means over replicates with intervals over items alone; `shares` of right answers
    have Jeffreys' interval for the effective number of items.
    """
    parts = [_Part.of(factor, mean) for factor in factors]
    several = np.any([part.replicates > 1 for part in parts], axis=0)
    of_items = np.maximum(mean.se**2 - sum(part.twice for part in parts), 0.0)
    total = np.asarray(of_items + sum(part.component.variance for part in parts))
    several &= total > 0
    normal = normal_quantile(level)
    beyond = beyond_normal(total, [part.component for part in parts], level)

    def widened(half: Floats) -> Floats:
        items = np.divide(half, mean.se, out=np.full(half.shape, normal), where=mean.se > 0)
        share = np.divide(of_items, total, out=np.ones(total.shape), where=total > 0)
        reach = normal + (items - normal) * share + beyond
        return np.where(several, reach * np.sqrt(total), half)

    error = np.where(several, np.sqrt(total), mean.se)
    low = mean.value - widened(mean.value - mean.low)
    high = mean.value + widened(mean.high - mean.value)
    if shares is not None:
        chosen = shares.which & several & (mean.value > 0) & (mean.value < 1)
        share, variance, items = mean.value[chosen], total[chosen], shares.items
        few = items * np.minimum(share, 1 - share)
        steady = (few * variance + _PRIOR * share * (1 - share) / items) / (few + _PRIOR)
        reach = np.sqrt(steady) * (1 + beyond[chosen] / normal)
        low[chosen], high[chosen] = jeffreys(share, effective_items(share, reach), level)
    return Estimates(mean.value, error, low, high)


@dataclass(frozen=True)
class _Part:
    """A factor's component of the variance, what the variance over items has of it as well, and
    the numbers of replicates; each (means,)."""

    component: Component
    twice: Floats
    replicates: Integers

    @staticmethod
    def of(factor: Factor, mean: Estimates) -> "_Part":
        groups, each = factor.groups, factor.each
        number = np.bincount(groups, minlength=len(mean.value))
        others = np.maximum(number - 1, 1)  # 1 for a single replicate, whose variances are 0
        between = _sums(groups, (each.value - mean.value[groups]) ** 2, number) / others
        own_way = (_sums(groups, each.se**2, number) / number - mean.se**2) * number / others
        own_way = np.where(number > 1, own_way, 0.0)
        kept = np.maximum(number - 2, 0) / number
        variance = np.maximum(0.0, between - kept * own_way) / number
        return _Part(Component(variance, others), (1 - kept) * own_way / number, number)


def _sums(groups: Integers, values: Floats, number: Integers) -> Floats:
    return np.bincount(groups, weights=values, minlength=len(number)).astype(float)
