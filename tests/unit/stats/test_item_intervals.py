"""Intervals over items of right and wrong answers, and of their paired differences."""

import numpy as np
import pytest

from tuning_dynamics.stats.binomial import share_interval
from tuning_dynamics.stats.bootstrap import Estimates, means, standard_errors
from tuning_dynamics.stats.item_intervals import of_differences, of_shares

LEVEL = 0.95


def estimates(sums: np.ndarray, sizes: np.ndarray) -> Estimates:
    value = means(sums, sizes)
    return Estimates(value, standard_errors(sums, sizes), value - 9.0, value + 9.0)


def test_only_right_and_wrong_answers_have_intervals_of_shares() -> None:
    scores = np.column_stack([np.repeat([0.0, 1.0], [90, 30]), np.full(120, 0.4)])
    found = of_shares(estimates(scores, np.ones(120)), np.array([True, False]), np.ones(120), LEVEL)
    low, high = share_interval(np.array([30]), 120, LEVEL)
    assert (found.low[0], found.high[0]) == (low[0], high[0])
    assert (found.low[1], found.high[1]) == pytest.approx((0.4 - 9, 0.4 + 9))


def test_where_all_answers_agree_neither_interval_nor_standard_error_is_0() -> None:
    scores = np.column_stack([np.zeros(120), np.ones(120)])
    found = of_shares(estimates(scores, np.ones(120)), np.full(2, True), np.ones(120), LEVEL)
    assert found.low[0] == 0 < found.high[0] < 0.04
    assert 0.96 < found.low[1] < found.high[1] == 1
    assert 0 < found.se[0] == found.se[1] < 0.01


def test_items_of_one_context_count_as_fewer() -> None:
    """30 contexts of 4 items each that are answered alike are 30 answers."""
    right = np.repeat([0.0, 4.0], [20, 10])[:, None]
    sizes = np.full(30, 4.0)
    found = of_shares(estimates(right, sizes), np.array([True]), sizes, LEVEL)
    alone = share_interval(np.array([10]), 30, LEVEL)
    assert (found.low[0], found.high[0]) == pytest.approx((alone[0][0], alone[1][0]), abs=0.02)
    nothing = of_shares(estimates(0 * right, sizes), np.array([True]), sizes, LEVEL)
    assert nothing.high[0] == share_interval(np.array([0]), 30, LEVEL)[1][0]


def test_paired_differences_are_bonett_and_prices() -> None:
    """100 items of which 12 get better and 5 worse, by the formula as published."""
    difference = np.repeat([1.0, -1.0, 0.0], [12, 5, 83])[:, None]
    found = of_differences(
        estimates(difference, np.ones(100)), np.array([True]), np.ones(100), np.ones(1), LEVEL
    )
    better, worse = 13 / 102, 6 / 102
    half = 1.959964 * np.sqrt((better + worse - (better - worse) ** 2) / 102)
    assert found.low[0] == pytest.approx(better - worse - half, abs=5e-4)
    assert found.high[0] == pytest.approx(better - worse + half, abs=5e-4)


def test_a_difference_without_any_change_is_not_certain() -> None:
    found = of_differences(
        estimates(np.zeros((60, 1)), np.ones(60)),
        np.array([True]),
        np.ones(60),
        np.ones(1),
        LEVEL,
    )
    assert found.low[0] == pytest.approx(-found.high[0])
    assert 0.03 < found.high[0] < 0.06
    assert found.se[0] > 0
