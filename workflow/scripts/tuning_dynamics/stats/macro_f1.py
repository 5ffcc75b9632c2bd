"""Macro-F1 of a cell: the mean over labels of each label's F1, over all items together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.stats.bootstrap import (
    Estimates,
    bca_interval,
    expanded,
    interval_of,
    resampled_means,
    unit_sums,
)
from tuning_dynamics.stats.item_answers import ItemAnswers
from tuning_dynamics.stats.item_blocks import BLOCK_NUMBERS, ItemBlock

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class _Counts:
    """Items of each label: answered so and right, `hits`; answered so, `answered`; both of shape
    (…, labels, cells); and with it as the right answer, `gold`, (…, labels, 1)."""

    hits: Floats
    answered: Floats
    gold: Floats

    def macro_f1(self) -> Floats:
        """Of each cell, (…, cells); a label that is nowhere has F1 0, as in scikit-learn."""
        both = self.answered + self.gold
        f1 = np.divide(2 * self.hits, both, out=np.zeros_like(both), where=both > 0)
        return np.asarray(f1.mean(axis=-2))


def macro_f1(block: ItemBlock, answers: ItemAnswers, rows: Integers) -> Estimates:
    """Macro-F1 of the block's cells `rows`, with the interval of resampled items.

    Labels are those that are an item's right answer, so they are the same for all cells; an answer
    that is none of them counts in no label. Each resample draws units, as for scores, and counts
    anew. `se` is the standard deviation of the resamples.
    """
    labels = len(np.unique(answers.gold))
    columns = max(len(answers.gold), block.resampling.resamples) * (2 * labels + 1)
    together = max(1, BLOCK_NUMBERS // columns)
    parts = [
        _estimated(block, answers, rows[start : start + together])
        for start in range(0, len(rows), together)
    ]
    joined = [np.concatenate(each) for each in zip(*map(_fields, parts), strict=True)]
    return Estimates(*joined) if parts else Estimates(*[np.empty(0)] * 4)


def _fields(one: Estimates) -> tuple[Floats, Floats, Floats, Floats]:
    return one.value, one.se, one.low, one.high


def _estimated(block: ItemBlock, answers: ItemAnswers, rows: Integers) -> Estimates:
    sums = unit_sums(_indicators(answers, rows), answers.units)
    resampling, cells = block.resampling, len(rows)
    # Means rather than sums: what divides all counts of a draw leaves F1 as it is.
    means = resampled_means(sums, block.sizes, resampling.resamples, resampling.seed)
    drawn = _counts(means, cells).macro_f1()
    value = _counts(sums.sum(axis=0), cells).macro_f1()
    level = expanded(resampling.level, len(block.sizes))
    if resampling.interval == "bca":
        without = _counts(sums.sum(axis=0) - sums, cells).macro_f1()
        ends = bca_interval(drawn, value, _acceleration(without), level)
    else:
        ends = interval_of(drawn, level)
    return Estimates(value, drawn.std(axis=0, ddof=1), ends[:, 0], ends[:, 1])


def _indicators(known: ItemAnswers, rows: Integers) -> Floats:
    """Per item, (items, columns): of each label and cell whether it is a hit; then whether it is
    the answer; then of each label whether it is the right answer."""
    answers, gold = known.answers[:, rows], known.gold[:, None]
    labels = np.unique(known.gold)
    answered = answers[:, None, :] == labels[None, :, None]
    right = gold == labels
    hits = answered & right[:, :, None]
    items = len(gold)
    parts = [hits.reshape(items, -1), answered.reshape(items, -1), right]
    return np.concatenate(parts, axis=1).astype(float)


def _counts(columns: Floats, cells: int) -> _Counts:
    """The last axis of `columns`, laid out as by `_indicators`, taken apart."""
    labels = columns.shape[-1] // (2 * cells + 1)
    split = labels * cells
    shape = (*columns.shape[:-1], labels, cells)
    return _Counts(
        hits=columns[..., :split].reshape(shape),
        answered=columns[..., split : 2 * split].reshape(shape),
        gold=columns[..., 2 * split :][..., None],
    )


def _acceleration(without: Floats) -> Floats:
    """Acceleration of BCa from values without each unit, (units, cells): Efron and Tibshirani
    (1993), equation 14.15."""
    moved = without.mean(axis=0) - without
    squares, cubes = (moved**2).sum(axis=0), (moved**3).sum(axis=0)
    none: Floats = np.zeros(len(squares))
    np.divide(cubes, 6 * squares**1.5, out=none, where=squares > 0)
    return none
