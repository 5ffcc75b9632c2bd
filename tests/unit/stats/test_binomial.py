"""Intervals of shares: exact coverage, never without width, and symmetric."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tuning_dynamics.stats.binomial import jeffreys, share_interval

SHARES = (0.005, 0.01, 0.05, 0.5, 0.95, 0.99, 0.995)


def coverage(low: np.ndarray, high: np.ndarray, share: float) -> float:
    """The probability that the interval of a count holds the share, exactly."""
    counts = np.arange(len(low))
    held = (low <= share) & (share <= high)
    return float(binom.pmf(counts, len(low) - 1, share)[held].sum())


@pytest.mark.parametrize("items", [30, 120, 500])
def test_a_share_is_held_at_least_93_and_around_it_at_most_98_of_100_times(items: int) -> None:
    low, high = share_interval(np.arange(items + 1), items, 0.95)
    for share in SHARES:
        near = np.clip(np.linspace(share - 0.005, share + 0.005, 101), 1e-6, 1 - 1e-6)
        held = [coverage(low, high, float(one)) for one in near]
        assert coverage(low, high, share) >= 0.93
        assert np.mean(held) <= 0.98


@pytest.mark.parametrize("items", [2, 30, 500])
def test_an_interval_holds_its_share_has_a_width_and_is_the_mirror_of_the_wrong_answers(
    items: int,
) -> None:
    counts = np.arange(items + 1)
    low, high = share_interval(counts, items, 0.95)
    assert np.all(low <= counts / items)
    assert np.all(counts / items <= high)
    assert np.all(high - low > 0.5 / items)
    assert low == pytest.approx(1 - high[::-1], abs=1e-9)
    assert (low[0], high[-1]) == (0, 1)


def test_few_right_answers_have_an_interval_within_clopper_and_pearsons() -> None:
    low, high = share_interval(np.array([0, 1, 5]), 120, 0.95)
    for place, right in enumerate((0, 1, 5)):
        widest = binomtest(right, 120).proportion_ci(0.95, method="exact")
        assert widest.low <= low[place] <= high[place] <= widest.high


def test_fewer_effective_items_give_a_wider_interval_of_the_same_share() -> None:
    low, high = jeffreys(np.array([0.3, 0.3]), np.array([120.0, 12.5]), 0.95)
    assert low[1] < low[0] < 0.3 < high[0] < high[1]
