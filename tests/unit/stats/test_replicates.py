"""Means over seeds and draws: each source of variance counts once."""

import numpy as np
import pytest
from scipy.stats import norm, t

from tuning_dynamics.stats.bootstrap import Estimates
from tuning_dynamics.stats.components import Component, beyond_normal
from tuning_dynamics.stats.replicates import Factor, Shares, over_replicates

LEVEL = 0.95


def known(values: list[float], error: float) -> Estimates:
    value = np.array(values)
    half = norm.ppf(0.975) * error
    return Estimates(value, np.full(len(value), error), value - half, value + half)


def test_without_replicates_the_interval_is_that_over_items() -> None:
    mean = known([0.4], 0.03)
    found = over_replicates(mean, [], LEVEL)
    assert (found.low[0], found.high[0]) == (mean.low[0], mean.high[0])


def test_of_one_replicate_nothing_is_known_beyond_items() -> None:
    mean = known([0.4], 0.03)
    found = over_replicates(mean, [Factor(mean, np.array([0]))], LEVEL)
    assert (found.low[0], found.high[0]) == (mean.low[0], mean.high[0])


def test_where_items_add_nothing_a_mean_has_students_interval() -> None:
    values = [0.30, 0.38, 0.31, 0.35]
    each, mean = known(values, 0.0), known([float(np.mean(values))], 0.0)
    found = over_replicates(mean, [Factor(each, np.zeros(4, dtype=int))], LEVEL)
    half = t.ppf(0.975, 3) * np.std(values, ddof=1) / 2
    assert found.high[0] - found.value[0] == pytest.approx(half)
    assert found.value[0] - found.low[0] == pytest.approx(half)


def test_replicates_that_agree_add_nothing() -> None:
    each, mean = known([0.4, 0.4, 0.4], 0.03), known([0.4], 0.03)
    found = over_replicates(mean, [Factor(each, np.zeros(3, dtype=int))], LEVEL)
    assert (found.low[0], found.high[0]) == pytest.approx((mean.low[0], mean.high[0]))


def test_seeds_and_draws_add_up() -> None:
    mean = known([0.1], 0.02)
    seeds = Factor(known([0.05, 0.15, 0.1], 0.02), np.zeros(3, dtype=int))
    draws = Factor(known([0.02, 0.18, 0.1], 0.02), np.zeros(3, dtype=int))
    alone = [over_replicates(mean, [factor], LEVEL) for factor in (seeds, draws)]
    both = over_replicates(mean, [seeds, draws], LEVEL)
    for one in alone:
        assert both.low[0] < one.low[0]
        assert both.high[0] > one.high[0]
    # Items count once.
    of_items = 0.02**2
    added = sum(one.se[0] ** 2 - of_items for one in alone)
    assert both.se[0] ** 2 == pytest.approx(of_items + added)


def test_shares_over_seeds_stay_within_0_and_1_and_are_skewed_near_them() -> None:
    mean = known([0.03], 0.012)
    factor = Factor(known([0.025, 0.035, 0.03], 0.013), np.zeros(3, dtype=int))
    found = over_replicates(mean, [factor], LEVEL, Shares(np.array([True]), 200))
    assert 0 < found.low[0] < 0.03 < found.high[0] < 1
    assert found.high[0] - 0.03 > 0.03 - found.low[0]


def test_a_component_reaches_as_far_as_students_t_where_it_is_all() -> None:
    reach = beyond_normal(np.ones(1), [Component(np.ones(1), np.array([2.0]))], LEVEL)
    assert reach[0] == pytest.approx(t.ppf(0.975, 2) - norm.ppf(0.975))
    none = beyond_normal(np.zeros(1), [Component(np.zeros(1), np.array([2.0]))], LEVEL)
    assert none[0] == 0
