"""Intervals have their nominal coverage, and tests their nominal false-positive rate.

Simulations with known truth, with bounds that allow for Monte-Carlo error; docs/statistics.md has
larger ones, from benchmarks/coverage.py.
"""

import numpy as np
import pytest
from scipy import stats
from simulated import (
    BETAS,
    false_discoveries,
    over_contexts,
    over_items,
    over_seeds_and_items,
    rejected,
    rejected_over_contexts,
)
from statsmodels.stats.contingency_tables import mcnemar

from tuning_dynamics.stats.permutation import mcnemar_p_values, sign_flip_p_values


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("data", ["accuracy 0.3", "accuracy 0.1", *BETAS])
def test_intervals_over_200_items_cover(data: str, method: str) -> None:
    assert 0.93 <= over_items(method, data, 200, 2000).share <= 0.97


@pytest.mark.parametrize("share", ["0.01", "0.03", "0.99"])
def test_intervals_of_shares_near_0_and_1_cover(share: str) -> None:
    """A bootstrap covers .70 for one right answer in a hundred."""
    found = over_items("percentile", f"accuracy {share}", 120, 2000)
    assert 0.93 <= found.share <= 0.995
    assert found.width < 0.08


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_over_contexts_cover(method: str) -> None:
    assert 0.93 <= over_contexts(method, 200, 2000).share <= 0.97


def test_items_of_one_context_are_no_independent_ones() -> None:
    assert over_contexts("percentile", 200, 200, clustered=False).share < 0.85


@pytest.mark.parametrize("change", [False, True])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(
    ("seeds", "low", "high"), [(2, 0.93, 0.985), (3, 0.93, 0.97), (5, 0.93, 0.97)]
)
def test_intervals_over_seeds_and_items_cover(
    seeds: int, low: float, high: float, spread: float, change: bool
) -> None:
    found = over_seeds_and_items("percentile", seeds, 200, 1000, spread=spread, change=change)
    assert low <= found.share <= high


@pytest.mark.parametrize("items", [50, 200, 1000])
@pytest.mark.parametrize("data", ["accuracy", "rouge_l"])
def test_tests_reject_no_more_than_they_may(data: str, items: int) -> None:
    assert rejected(data, items, 4000) <= 0.055


def test_tests_over_contexts_reject_no_more_than_they_may() -> None:
    assert rejected_over_contexts(200, 4000) <= 0.055
    assert rejected_over_contexts(200, 200, clustered=False) > 0.08


@pytest.mark.parametrize(
    ("data", "items", "shift", "least"),
    [("accuracy", 200, 0.3, 0.75), ("accuracy", 1000, 0.2, 0.95), ("rouge_l", 200, 0.02, 0.95)],
)
def test_planted_differences_are_found(data: str, items: int, shift: float, least: float) -> None:
    assert rejected(data, items, 400, shift=shift) >= least


def test_false_discoveries_are_a_small_share() -> None:
    false, found = false_discoveries(60, 15, 40)
    assert false <= 0.05
    assert found >= 0.7


# --- reference libraries -----------------------------------------------------------------------


def test_mcnemar_equals_statsmodels() -> None:
    generator = np.random.default_rng(0)
    better, worse = generator.integers(0, 60, size=(2, 200))
    found = mcnemar_p_values(better, worse)
    theirs = [
        mcnemar([[10, one], [other, 10]], exact=True).pvalue
        for one, other in zip(better, worse, strict=True)
    ]
    assert np.allclose(found, theirs, rtol=0, atol=1e-12)


def test_accuracy_is_tested_by_mcnemar() -> None:
    generator = np.random.default_rng(1)
    differences = generator.integers(-1, 2, size=(300, 40)).astype(float)
    better, worse = (differences > 0).sum(axis=0), (differences < 0).sum(axis=0)
    found = sign_flip_p_values(differences, 99, 0)
    assert np.array_equal(found, mcnemar_p_values(better, worse))


def test_few_items_equal_scipys_exact_permutation_test() -> None:
    differences = np.random.default_rng(2).normal(0.05, 0.1, size=(10, 8))
    found = sign_flip_p_values(differences, 9999, 0)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, axis=0
    ).pvalue
    assert np.allclose(found, theirs, rtol=0, atol=1e-12)


def test_many_items_agree_with_scipys_random_permutation_test() -> None:
    differences = np.random.default_rng(3).normal(0.01, 0.1, size=(150, 3))
    found = sign_flip_p_values(differences, 9999, 0)
    theirs = stats.permutation_test(
        (differences,),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(4),
        axis=0,
    ).pvalue
    # scipy's two-sided value is twice a tail's share, of other draws: four standard errors.
    assert np.allclose(found, theirs, rtol=0, atol=4 * np.sqrt(0.5 / 9999))
