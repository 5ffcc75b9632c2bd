"""Paired test of a mean difference by flipping signs, and false-discovery control."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, false_discovery_control

Floats = NDArray[np.float64]

# Scores lie in [0, 1]; differences closer than this differ by rounding alone.
_ROUNDING = 1e-12

# Signs drawn at a time, in numbers of 8 bytes: 32 MiB.
_BLOCK_NUMBERS = 4 * 2**20


def sign_flip_p_value(differences: Floats, permutations: int, seed: int) -> float:
    """Two-sided p-value of mean difference 0 under random signs of the paired differences.

    Exact where all differences that aren't 0 have one size, as those of accuracy have: the sum is
    then binomial, and this is McNemar's exact test. Exact by enumeration where there are at most
    `permutations` sign patterns. Otherwise Monte Carlo with (k + 1) / (permutations + 1), which
    never gives 0. Pairs that don't differ don't change the sum and are left out.
    """
    moved = differences[np.abs(differences) > _ROUNDING]
    if moved.size == 0:
        return 1.0
    sizes = np.abs(moved)
    if sizes.max() - sizes.min() <= _ROUNDING:
        return float(binomtest(int((moved > 0).sum()), moved.size, 0.5).pvalue)
    if moved.size <= int(np.log2(permutations)):
        return float(_extreme(_all_signs(moved.size), moved).mean())
    generator = np.random.default_rng(seed)
    hits, block = 0, max(1, _BLOCK_NUMBERS // moved.size)
    for start in range(0, permutations, block):
        rows = min(block, permutations - start)
        flips = generator.integers(0, 2, size=(rows, moved.size), dtype=np.int8)
        hits += int(_extreme(_signs(flips), moved).sum())
    return (hits + 1) / (permutations + 1)


def q_values(p_values: Floats) -> Floats:
    """Benjamini and Hochberg's q-values of one family of tests."""
    if p_values.size == 0:
        return p_values
    return np.asarray(false_discovery_control(p_values, method="bh"), dtype=float)


def _all_signs(n: int) -> Floats:
    patterns = np.arange(2**n)[:, None] >> np.arange(n)
    return _signs(patterns & 1)


def _signs(flips: NDArray[np.integer]) -> Floats:
    """-1 for 0 and 1 for 1."""
    return 2.0 * flips.astype(np.float64) - 1.0


def _extreme(signs: Floats, moved: Floats) -> NDArray[np.bool_]:
    # The tolerance counts sums that are equal but for rounding as equal.
    observed = abs(moved.sum())
    return np.asarray(np.abs(signs @ moved) >= observed - _ROUNDING * np.abs(moved).sum())
