"""The bootstrap agrees with scipy's, and its intervals cover what they claim to."""

import numpy as np
import pytest
from scipy import stats

from tuning_dynamics.stats.bootstrap import (
    interval_of,
    percentile_interval,
    percentile_intervals,
    resample_indices,
    resampled_means,
)
from tuning_dynamics.study.errors import StudyError


def scipy_interval(values: np.ndarray, resamples: int, level: float, seed: int) -> np.ndarray:
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return np.array(result.confidence_interval)


@pytest.mark.parametrize("n", [2, 7, 120, 1999])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_percentile_interval_equals_scipy(n: int, level: float) -> None:
    values = np.random.default_rng(n).beta(0.5, 0.7, size=n)
    ours = percentile_interval(values, 1000, level, seed=11)
    assert np.allclose(ours, scipy_interval(values, 1000, level, 11), rtol=0, atol=1e-12)


def test_many_cells_of_mixed_sizes_equal_scipy_one_by_one() -> None:
    generator = np.random.default_rng(3)
    cells = [generator.uniform(size=n) for n in (50, 20, 50, 33, 20, 50)]
    ours = percentile_intervals(cells, 700, 0.9, seed=5)
    theirs = np.array([scipy_interval(cell, 700, 0.9, 5) for cell in cells])
    assert np.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_draws_in_blocks_equal_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).uniform(size=(37, 3))
    expected = values[resample_indices(37, 501, 9)].mean(axis=1)
    for block in (1, 37 * 7, 10**6):
        monkeypatch.setattr("tuning_dynamics.stats.bootstrap._BLOCK_NUMBERS", block)
        assert np.allclose(resampled_means(values, 501, 9), expected, rtol=0, atol=1e-12)
        whole = percentile_intervals(list(values.T), 501, 0.95, 9)
        assert np.allclose(whole, interval_of(expected, 0.95), rtol=0, atol=1e-12)


def test_one_seed_gives_equal_and_two_seeds_different_intervals() -> None:
    values = np.random.default_rng(1).uniform(size=80)
    first = percentile_interval(values, 500, 0.95, seed=0)
    assert first == percentile_interval(values, 500, 0.95, seed=0)
    assert first != percentile_interval(values, 500, 0.95, seed=1)


def test_intervals_cover_the_truth() -> None:
    """1,000 studies of 200 items each: 95 % intervals hold the true mean 93 to 97 times in 100."""
    generator = np.random.default_rng(42)
    for draw, truth in (
        (lambda: generator.binomial(1, 0.3, size=200).astype(float), 0.3),
        (lambda: generator.beta(2, 5, size=200), 2 / 7),
    ):
        intervals = percentile_intervals([draw() for _ in range(1000)], 1000, 0.95, seed=0)
        covered = ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean()
        assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_are_refused_rather_than_given_no_width(n: int) -> None:
    with pytest.raises(StudyError, match="at least 2 items"):
        percentile_interval(np.ones(n), 100, 0.95, seed=0)


@pytest.mark.parametrize(("resamples", "level"), [(0, 0.95), (100, 0.0), (100, 1.0), (100, 95)])
def test_nonsense_settings_are_refused(resamples: int, level: float) -> None:
    with pytest.raises(StudyError):
        percentile_interval(np.arange(5) / 5, resamples, level, seed=0)


def test_equal_scores_give_an_interval_of_that_score() -> None:
    assert percentile_interval(np.full(30, 0.25), 200, 0.95, 0) == pytest.approx((0.25, 0.25))
