"""Paired tests of a mean difference by flipping signs, and false-discovery control."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom, false_discovery_control

Floats = NDArray[np.float64]

# Scores lie in [0, 1]; differences closer than this differ only by rounding.
_ROUNDING = 1e-12

# Signs drawn at a time, in numbers of 8 bytes: 32 MiB.
_BLOCK_NUMBERS = 4 * 2**20


def sign_flip_p_values(differences: Floats, permutations: int, seed: int) -> Floats:
    """Two-sided p-values of mean difference 0, one for each column of `differences`.

    `differences` is (units, pairs of cells): differences of paired items, or their sums within
    each context if items share one, since only whole contexts are exchangeable. Exact if all
    nonzero differences have one size, as for accuracy over single items: the sum is then
    binomial, and this is McNemar's exact test (1947). Exact by enumeration if there are at most
    `permutations` patterns of signs. Otherwise Monte Carlo with
    (k + 1) / (permutations + 1), which never gives 0; pairs share their signs. A unit that
    doesn't differ changes no sum.
    """
    sizes = np.abs(differences)
    moved = sizes > _ROUNDING
    count = moved.sum(axis=0)
    smallest = np.where(moved, sizes, np.inf).min(axis=0, initial=np.inf)
    one_size = (count > 0) & (sizes.max(axis=0, initial=0.0) - smallest <= _ROUNDING)
    few = ~one_size & (count > 0) & (count <= int(np.log2(permutations)))
    rest = ~one_size & ~few & (count > 0)

    p_values = np.ones(differences.shape[1])
    positive = (differences > _ROUNDING).sum(axis=0)
    p_values[one_size] = mcnemar_p_values(positive[one_size], (count - positive)[one_size])
    for column in np.flatnonzero(few):
        own = differences[moved[:, column], column]
        p_values[column] = _extreme(_all_signs(len(own)), own[:, None]).mean()
    if rest.any():
        hits = _random_hits(differences[:, rest], permutations, seed)
        p_values[rest] = (hits + 1) / (permutations + 1)
    return p_values


def mcnemar_p_values(
    better: NDArray[np.integer], worse: NDArray[np.integer]
) -> NDArray[np.float64]:
    """McNemar's exact two-sided p-values from the numbers of items that changed either way."""
    tail = 2.0 * binom.cdf(np.minimum(better, worse), better + worse, 0.5)
    return np.asarray(np.minimum(1.0, tail))


def q_values(p_values: Floats) -> Floats:
    """Benjamini and Hochberg's (1995) q-values of one family of tests."""
    if p_values.size == 0:
        return p_values
    return np.asarray(false_discovery_control(p_values, method="bh"), dtype=float)


def q_values_within(frame: pd.DataFrame, families: Sequence[str]) -> Floats:
    """q-values of column `p_value`, rows that agree in the columns `families` being one family.

    Without columns all rows are one family. A row without a p-value has no q-value, and counts in
    no family.
    """
    p_values = frame["p_value"].to_numpy(dtype=float)
    result: Floats = np.full(len(frame), np.nan)
    known = ~np.isnan(p_values)
    # `ngroup` of no columns isn't defined, so a constant column stands in.
    codes = (
        frame.groupby(list(families), dropna=False, sort=False).ngroup().to_numpy()
        if families
        else np.zeros(len(frame), dtype=int)
    )
    for code in np.unique(codes[known]):
        members = known & (codes == code)
        result[members] = q_values(p_values[members])
    return result


def _random_hits(differences: Floats, permutations: int, seed: int) -> NDArray[np.int64]:
    """How many of `permutations` random patterns give each column a sum at least as far from 0."""
    units = len(differences)
    generator = np.random.default_rng(seed)
    hits = np.zeros(differences.shape[1], dtype=np.int64)
    block = max(1, _BLOCK_NUMBERS // max(units, differences.shape[1]))
    for start in range(0, permutations, block):
        rows = min(block, permutations - start)
        flips = generator.integers(0, 2, size=(rows, units), dtype=np.int8)
        hits += _extreme(_signs(flips), differences).sum(axis=0)
    return hits


def _all_signs(n: int) -> Floats:
    patterns = np.arange(2**n)[:, None] >> np.arange(n)
    return _signs(patterns & 1)


def _signs(flips: NDArray[np.integer]) -> Floats:
    """-1 for 0 and 1 for 1."""
    return 2.0 * flips.astype(np.float64) - 1.0


def _extreme(signs: Floats, differences: Floats) -> NDArray[np.bool_]:
    # With the tolerance, sums that are equal up to rounding count as equal.
    least = np.abs(differences.sum(axis=0)) - _ROUNDING * np.abs(differences).sum(axis=0)
    return np.asarray(np.abs(signs @ differences) >= least)
