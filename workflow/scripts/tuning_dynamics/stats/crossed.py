"""Means over pairs of train set and evaluation set, with intervals for other sets of both kinds.

Pairs that share a train set share tuned models, and pairs that share an evaluation set share items:
as independent evidence they would give intervals that hold the truth in 66 to 83 % of studies. So
train sets and evaluation sets are crossed random effects, with three components of variance: train
sets, evaluation sets, and what is left of single pairs. Components are sums over clusters (Cameron,
Gelbach and Miller 2011, Journal of Business & Economic Statistics 29:238), so that missing pairs do
no harm; in a full grid they are those of the two-way analysis of variance. Seeds and items need no
part of their own: their noise is in the pairs' values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.constants import MIN_EVAL_SETS, MIN_TRAIN_SETS
from tuning_dynamics.stats.components import Component, beyond_normal, normal_quantile

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The variance of n train sets, or n evaluation sets, contains that of single pairs. (n - 2) / n of
# the latter is taken out: all of it would too often leave nothing, as an estimate from few sets is
# uncertain. What stays is at least this share of (n - 2) / (n - 1) of it.
_FLOOR = 0.8


@dataclass(frozen=True)
class Estimate:
    """A number, its interval (NaN if there is none, then with the `reason`), and its cells."""

    value: float
    low: float
    high: float
    cells: int
    reason: str = ""


def within(found: Estimate, least: float, most: float) -> Estimate:
    """The estimate, its interval without what can't be."""
    if np.isnan(found.low):
        return found
    return replace(found, low=max(found.low, least), high=min(found.high, most))


NOTHING = Estimate(np.nan, np.nan, np.nan, 0, "no cells")


@dataclass(frozen=True)
class Pairs:
    """Values of pairs, (n,), each with its train set, evaluation set and number of cells."""

    values: Floats
    train_sets: Sequence[str]
    eval_sets: Sequence[str]
    cells: Floats

    @staticmethod
    def of(frame: pd.DataFrame, value: str) -> "Pairs":
        """The means of the column `value` over the cells of each pair (checkpoints, seeds)."""
        trained, train_sets = pd.factorize(frame["train_set"], sort=True)
        evaluated, eval_sets = pd.factorize(frame["eval_set"], sort=True)
        keys, pairs = np.unique(trained * len(eval_sets) + evaluated, return_inverse=True)
        cells = np.bincount(pairs, minlength=len(keys)).astype(float)
        sums = np.bincount(pairs, weights=frame[value].to_numpy(dtype=float), minlength=len(keys))
        return Pairs(
            sums / cells,
            [str(train_sets[key // len(eval_sets)]) for key in keys],
            [str(eval_sets[key % len(eval_sets)]) for key in keys],
            cells,
        )


def crossed_mean(pairs: Pairs, level: float, *, by_set: bool = False) -> Estimate:
    """Mean over cells, with its interval over train sets and evaluation sets; with `by_set`, each
    evaluation set counts once, with the mean of its cells."""
    if not len(pairs.values):
        return NOTHING
    weights = _by_set(pairs) if by_set else pairs.cells / pairs.cells.sum()
    groups = np.zeros(len(weights), dtype=np.int64)
    return _estimate(pairs, weights, groups, level)


def mean_components(pairs: Pairs) -> list[Component]:
    """The components of the variance of `crossed_mean`, for pairs of which it has an interval."""
    weights = pairs.cells / pairs.cells.sum()
    groups = np.zeros(len(weights), dtype=np.int64)
    train_sets, eval_sets = _codes(pairs.train_sets), _codes(pairs.eval_sets)
    return _components(pairs.values, weights, groups, train_sets, eval_sets)


def crossed_ratio(above: Pairs, below: Floats, level: float) -> Estimate:
    """Sum of values over the sum of `below`, (n,), both with noise; an interval as for a mean.

    By linearisation: the values less the ratio times `below` vary around 0 (Cochran, Sampling
    Techniques, 1977, section 6.4). NaN if the sum of `below` is 0.
    """
    total = float(above.cells @ below)
    if not len(above.values) or total == 0:
        return NOTHING
    ratio = float(above.cells @ above.values) / total
    residuals = (above.values - ratio * below) * above.cells.sum() / total
    linear = Pairs(residuals, above.train_sets, above.eval_sets, above.cells)
    around = crossed_mean(linear, level)
    return Estimate(
        ratio, ratio + around.low, ratio + around.high, int(above.cells.sum()), around.reason
    )


def crossed_contrast(first: Pairs, second: Pairs, level: float) -> Estimate:
    """Mean over the evaluation sets of `first` less that of `second`, a set counting once."""
    cells = int(first.cells.sum() + second.cells.sum())
    if not len(first.values) or not len(second.values):
        return Estimate(np.nan, np.nan, np.nan, cells, "one of the groups is empty")
    both = Pairs(
        np.concatenate([first.values, second.values]),
        [*first.train_sets, *second.train_sets],
        [*first.eval_sets, *second.eval_sets],
        np.concatenate([first.cells, second.cells]),
    )
    weights = np.concatenate([_by_set(first), -_by_set(second)])
    groups = np.repeat([0, 1], [len(first.values), len(second.values)])
    return _estimate(both, weights, groups, level)


def _by_set(pairs: Pairs) -> Floats:
    """Weights by which each evaluation set counts once, with the mean of its cells."""
    sets = _codes(pairs.eval_sets)
    shares = pairs.cells / np.bincount(sets, weights=pairs.cells)[sets]
    return np.asarray(shares / (sets.max() + 1))


def _estimate(pairs: Pairs, weights: Floats, groups: Integers, level: float) -> Estimate:
    """The weighted sum of the values; weights of a group add up to 1 or -1."""
    value, cells = float(weights @ pairs.values), int(pairs.cells.sum())
    reason = too_few(pairs.train_sets, pairs.eval_sets, groups)
    if reason:
        return Estimate(value, np.nan, np.nan, cells, reason)
    train_sets, eval_sets = _codes(pairs.train_sets), _codes(pairs.eval_sets)
    parts = _components(pairs.values, weights, groups, train_sets, eval_sets)
    total = np.asarray(sum(part.variance for part in parts))
    half = (normal_quantile(level) + float(beyond_normal(total, parts, level))) * float(
        total
    ) ** 0.5
    return Estimate(value, value - half, value + half, cells)


def too_few(
    train_sets: Sequence[str], eval_sets: Sequence[str], groups: Sequence[object] | Integers
) -> str:
    """Why cells with these sets and groups have no interval; empty if they have one."""
    found = len({*train_sets})
    if found < MIN_TRAIN_SETS:
        return f"{found} train set where {MIN_TRAIN_SETS} are needed"
    met = pd.DataFrame({"group": groups, "set": eval_sets}).groupby("group")["set"].nunique()
    several = len(met) > 1
    least = MIN_EVAL_SETS // 2 if several else MIN_EVAL_SETS
    found = int(met.min())
    if found < least:
        counted = "1 evaluation set" if found == 1 else f"{found} evaluation sets"
        return f"{counted}{' in the smaller group' if several else ''} where {least} are needed"
    return ""


def _components(
    values: Floats, weights: Floats, groups: Integers, train_sets: Integers, eval_sets: Integers
) -> list[Component]:
    """The components of the weighted sum's variance.

    Where each evaluation set has one train set, the latter's variance holds everything; where each
    train set has one evaluation set, the evaluation sets' does.
    """
    totals = np.bincount(groups, weights=weights)
    around = weights * (values - (np.bincount(groups, weights=weights * values) / totals)[groups])
    trains, train_freedom = _clusters(around, train_sets, groups)
    evals, eval_freedom = _clusters(around, eval_sets, groups)
    pairs = len(values)
    if len(np.unique(eval_sets)) == pairs:
        return [Component(trains, np.asarray(train_freedom))]
    if len(np.unique(train_sets)) == pairs:
        return [Component(evals, np.asarray(eval_freedom))]
    left, left_freedom = _left_over(values, weights, train_sets, eval_sets)
    shares = [(freedom - 1) / (freedom + 1) for freedom in (train_freedom, eval_freedom)]
    floor = _FLOOR * min((freedom - 1) / freedom for freedom in (train_freedom, eval_freedom))
    trains = np.maximum(trains - shares[0] * left, 0.0)
    evals = np.maximum(evals - shares[1] * left, 0.0)
    rest = max((sum(shares) - 1) * float(left), floor * float(left) - float(trains + evals), 0.0)
    return [
        Component(trains, np.asarray(train_freedom)),
        Component(evals, np.asarray(eval_freedom)),
        Component(np.asarray(rest), np.asarray(max(left_freedom, 1.0))),
    ]


def _clusters(around: Floats, sets: Integers, groups: Integers) -> tuple[Floats, float]:
    """The variance from sums over the sets, and its degrees of freedom.

    Groups without a set in common vary on their own; groups that share sets vary together.
    """
    in_groups = [np.unique(sets[groups == group]) for group in np.unique(groups)]
    apart = len(np.unique(sets)) == sum(map(len, in_groups))
    sums = np.bincount(sets, weights=around)
    parts = in_groups if apart else [np.unique(sets)]
    variance = sum(
        len(part) / max(len(part) - 1, 1) * float((sums[part] ** 2).sum()) for part in parts
    )
    return np.asarray(variance), float(max(sum(len(part) - 1 for part in parts), 1))


def _left_over(
    values: Floats, weights: Floats, train_sets: Integers, eval_sets: Integers
) -> tuple[Floats, float]:
    """The variance that single pairs add beyond their sets', and its degrees of freedom (0: the
    pairs leave none)."""
    columns = [np.eye(codes.max() + 1)[codes] for codes in (train_sets, eval_sets)]
    design = np.hstack(columns)
    fitted, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    freedom = len(values) - int(rank)
    residual = values - design @ fitted
    mean_square = float(residual @ residual) / freedom if freedom else 0.0
    return np.asarray(mean_square * float(weights @ weights)), float(freedom)


def _codes(names: Sequence[str]) -> Integers:
    return np.asarray(pd.factorize(np.asarray(names, dtype=object))[0], dtype=np.int64)
