"""Synthetic data with known truth, the coverage of intervals and rejection rates of tests.

For accuracy, an item is answered correctly if ability, the item's ease, and noise add up to more
than 0: all are normal, so that the expected score is a normal probability. Each function makes
`studies` data sets, analyses each, and returns a share of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, eye_array
from scipy.special import ndtr

from tuning_dynamics.stats import item_blocks
from tuning_dynamics.stats.bootstrap import (
    Estimates,
    Floats,
    Integers,
    unit_sums,
)
from tuning_dynamics.stats.item_blocks import ItemBlock, Resampling, averaged
from tuning_dynamics.stats.permutation import q_values, sign_flip_p_values
from tuning_dynamics.stats.replicates import Factor, Shares, over_replicates
from tuning_dynamics.tables.columns import KEY_COLUMNS

Method = Literal["percentile", "bca"]

LEVEL, RESAMPLES, PERMUTATIONS = 0.95, 1000, 999

# Studies that share their draws, as cells do. One set of 1,000 draws for all would put the same
# error into every study, and rates would be those of this set.
SHARED = 50

# Spread of items' ease, and of the noise of one answer; abilities are in the same unit.
EASE, OWN = 1.0, 0.6

# Parameters of beta distributions like ROUGE-L's: usual, and for a model that fails.
BETAS = {"rouge_l": (0.6, 2.4), "rouge_l near 0": (0.2, 3.8)}


@dataclass(frozen=True)
class Coverage:
    """Share of intervals that hold the truth, and their mean width."""

    share: float
    width: float


def covered(found: Floats, truth: float) -> Coverage:
    """Coverage of intervals (studies, 2)."""
    inside = (found[:, 0] <= truth) & (truth <= found[:, 1])
    return Coverage(float(inside.mean()), float((found[:, 1] - found[:, 0]).mean()))


def block_of(values: Floats, units: Integers, method: Method, seed: int) -> ItemBlock:
    """A block of cells with the scores `values` (items, cells); `units` is each item's, 0 to
    u - 1."""
    cells = values.shape[1]
    return item_blocks.block_of(
        pd.DataFrame("", index=range(cells), columns=[*KEY_COLUMNS, "path"]),
        pd.DataFrame(),
        np.asarray(values, dtype=float),
        units,
        Resampling(RESAMPLES, LEVEL, seed, method),
        truncated=[0] * cells,
        commonest=[0.5] * cells,
    )


def intervals(values: Floats, units: Integers, method: Method, seed: int) -> Estimates:
    """Estimates of the means of columns of `values`, as those of scores.csv."""
    return block_of(values, units, method, seed).means(eye_array(values.shape[1], format="csr"))


def ends(found: Estimates) -> Floats:
    """Both ends of intervals, shape (studies, 2)."""
    return np.column_stack([found.low, found.high])


def lots(studies: int) -> Iterator[int]:
    """Numbers of the batches of SHARED studies that add up to about this many."""
    yield from range(-(-studies // SHARED))


# --- intervals over items ----------------------------------------------------------------------


def over_items(method: Method, data: str, items: int, studies: int, seed: int = 1) -> Coverage:
    """Coverage of the mean over independent items; `data` is `accuracy P` or one of BETAS."""
    generator = np.random.default_rng(seed)
    shape = (items, SHARED)
    found = []
    for lot in lots(studies):
        if data in BETAS:
            values = generator.beta(*BETAS[data], size=shape)
        else:
            values = generator.binomial(1, _probability(data), size=shape).astype(float)
        found.append(ends(intervals(values, np.arange(items), method, lot)))
    first, second = BETAS.get(data, (0.0, 1.0))
    truth = first / (first + second) if data in BETAS else _probability(data)
    return covered(np.vstack(found), truth)


def _probability(data: str) -> float:
    return float(data.removeprefix("accuracy "))


def contexts(generator: np.random.Generator, items: int) -> Integers:
    """Each item's context; contexts have 1 to 7 items, 4 in the mean."""
    sizes = generator.integers(1, 8, size=items)
    return np.repeat(np.arange(items), sizes)[:items]


def over_contexts(
    method: Method, items: int, studies: int, *, clustered: bool = True, seed: int = 2
) -> Coverage:
    """Coverage of the mean over items that share contexts; answers within one are alike.

    With `clustered` false the items are drawn as if they were independent.
    """
    generator = np.random.default_rng(seed)
    ability = 0.3
    found = []
    for lot in lots(studies):
        units = contexts(generator, items)
        ease = generator.normal(0, EASE, size=(units.max() + 1, SHARED))[units]
        right = ability + ease + generator.normal(0, OWN, size=ease.shape) > 0
        units = units if clustered else np.arange(items)
        found.append(ends(intervals(right.astype(float), units, method, lot)))
    return covered(np.vstack(found), float(ndtr(ability / np.hypot(EASE, OWN))))


# --- intervals over seeds and items ------------------------------------------------------------


def over_seeds_and_items(
    method: Method,
    seeds: int,
    items: int,
    studies: int,
    *,
    spread: float,
    change: bool = False,
    seed: int = 3,
) -> Coverage:
    """Coverage of the expected score over seeds and items, or of its change against a base.

    `spread` is the standard deviation of abilities over seeds: 0.1 moves a score by 0.034.
    """
    generator = np.random.default_rng(seed)
    ability, before, units = 0.2, -0.2, np.arange(items)
    columns = np.repeat(np.arange(SHARED), seeds)
    found = []
    for lot in lots(studies):
        ease = generator.normal(0, EASE, size=(items, SHARED))
        abilities = ability + generator.normal(0, spread, size=len(columns))
        own = generator.normal(0, OWN, size=(items, len(columns)))
        scores = (abilities + ease[:, columns] + own > 0).astype(float)
        if change:
            own = generator.normal(0, OWN, size=(items, SHARED))
            scores = np.hstack([scores, before + ease + own > 0])
        block = block_of(scores, units, method, lot)
        found.append(ends(_over_seeds(block, columns)))
    truth = float(ndtr(ability / np.sqrt(EASE**2 + OWN**2 + spread**2)))
    if change:
        truth -= float(ndtr(before / np.hypot(EASE, OWN)))
    return covered(np.vstack(found), truth)


def _over_seeds(block: ItemBlock, columns: Integers) -> Estimates:
    """Means of the block's first cells over seeds, `columns` being each one's model; minus base,
    which are the cells that follow, if there are any."""
    cells, seeds = len(block.cells), len(columns)
    each = csr_array((np.ones(seeds), (np.arange(seeds), np.arange(seeds))), (cells, seeds))
    mean = averaged(np.arange(seeds), columns, cells)
    if cells == seeds:
        factor = Factor(block.means(each), columns)
        shares = Shares(block.all_binary(mean), block.items)
        return over_replicates(block.means(mean), [factor], LEVEL, shares)
    models = np.arange(cells - seeds)
    base = csr_array((np.ones(len(models)), (models + seeds, models)), (cells, len(models)))
    factor = Factor(block.differences(each - base[:, columns]), columns)
    return over_replicates(block.differences(mean - base), [factor], LEVEL)


# --- tests -------------------------------------------------------------------------------------


def paired_differences(
    generator: np.random.Generator, data: str, items: int, studies: int, shift: float
) -> Floats:
    """Tuned minus base scores (items, studies) on the same items; `shift` is that of ability for
    accuracy, and of the expected score for rouge_l."""
    ease = generator.normal(0, EASE, size=(items, studies))
    noise = generator.normal(0, OWN, size=(2, items, studies))
    if data == "accuracy":
        return (shift + ease + noise[0] > 0) * 1.0 - (ease + noise[1] > 0) * 1.0
    # ROUGE-L moves with the item's ease, and never leaves 0 to 1: clipped far from both ends.
    scores = 0.35 + 0.08 * (ease + noise) + np.array([shift, 0.0])[:, None, None]
    scores = np.clip(scores, 0, 1)
    return np.asarray(scores[0] - scores[1])


def rejected(data: str, items: int, studies: int, *, shift: float = 0.0, seed: int = 4) -> float:
    """Share of p-values of at most 0.05 for `shift`: the false-positive rate, or the power."""
    generator = np.random.default_rng(seed)
    found = [
        sign_flip_p_values(
            paired_differences(generator, data, items, SHARED, shift), PERMUTATIONS, lot
        )
        for lot in lots(studies)
    ]
    return float((np.concatenate(found) <= 0.05).mean())


def rejected_over_contexts(
    items: int, studies: int, *, shift: float = 0.0, clustered: bool = True, seed: int = 5
) -> float:
    """As `rejected` for accuracy, where tuning helps or hurts whole contexts.

    With `clustered` false the items are flipped as if they were independent.
    """
    generator = np.random.default_rng(seed)
    found = []
    for lot in lots(studies):
        units = contexts(generator, items)
        moved = generator.normal(shift, EASE, size=(units.max() + 1, SHARED))[units]
        noise = generator.normal(0, OWN, size=(2, *moved.shape))
        difference = (moved + noise[0] > 0) * 1.0 - (noise[1] > 0) * 1.0
        units = units if clustered else np.arange(items)
        found.append(sign_flip_p_values(unit_sums(difference, units), PERMUTATIONS, lot))
    return float((np.concatenate(found) <= 0.05).mean())


def false_discoveries(tests: int, real: int, studies: int, seed: int = 6) -> tuple[float, float]:
    """Mean share of false discoveries at q-values of at most 0.05, and share of real ones found.

    Each study has `tests` changes of accuracy over 400 items, of which `real` are planted.
    """
    generator = np.random.default_rng(seed)
    false, found = [], []
    for study in range(studies):
        nothing = paired_differences(generator, "accuracy", 400, tests - real, 0.0)
        planted = paired_differences(generator, "accuracy", 400, real, 0.25)
        p_values = sign_flip_p_values(np.hstack([nothing, planted]), PERMUTATIONS, study)
        claimed = q_values(p_values) <= 0.05
        false.append(claimed[: tests - real].sum() / max(1, claimed.sum()))
        found.append(claimed[tests - real :].mean())
    return float(np.mean(false)), float(np.mean(found))
