"""The smallest difference that a design can see."""

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from tuning_dynamics.common.power import (
    Crossed,
    ErrorPart,
    crossed_parts,
    quantile,
    repeated_parts,
    smallest_difference,
    standard_error,
)


@pytest.mark.parametrize("probability", [0.6, 0.8, 0.975, 0.995])
def test_quantiles_are_those_of_scipy(probability: float) -> None:
    for freedom in (1, 2, 3, 4, 7, 8, 30, 101):
        assert quantile(probability, freedom) == pytest.approx(
            t.ppf(probability, freedom), rel=1e-9
        )
    assert quantile(probability, None) == pytest.approx(norm.ppf(probability), rel=1e-9)
    with pytest.raises(ValueError, match="degrees of freedom: 0"):
        quantile(probability, 0)


def test_a_known_error_has_the_textbooks_difference() -> None:
    # Two-sided 5 %, power 80 %: (1.95996 + 0.84162) standard errors.
    assert smallest_difference([ErrorPart(0.0003), ErrorPart(0.0001)]) == pytest.approx(
        2.801585 * 0.02, rel=1e-6
    )
    assert math.isnan(smallest_difference([ErrorPart(0.0)]))


def test_few_units_need_a_larger_difference() -> None:
    all_few = smallest_difference([ErrorPart(1.0, 2)])
    assert all_few == pytest.approx(t.ppf(0.975, 2) + t.ppf(0.8, 2), rel=1e-9)
    mixed = smallest_difference([ErrorPart(0.5), ErrorPart(0.5, 2)])
    beyond = sum(t.ppf(p, 2) - norm.ppf(p) for p in (0.975, 0.8)) * 0.5**1.25
    assert mixed == pytest.approx(norm.ppf(0.975) + norm.ppf(0.8) + beyond, rel=1e-9)


@pytest.mark.parametrize(("units", "low", "high"), [(None, 0.77, 0.83), (5, 0.75, 0.86)])
def test_the_difference_is_found_in_four_of_five_studies(
    units: int | None, low: float, high: float
) -> None:
    numbers = np.random.default_rng(0)
    size, studies = units or 400, 4000
    part = ErrorPart(1 / size, None if units is None else units - 1)
    values = numbers.normal(smallest_difference([part]), 1, size=(studies, size))
    error = values.std(axis=1, ddof=1) / math.sqrt(size)
    found = values.mean(axis=1) / error > t.ppf(0.975, size - 1)
    assert low < found.mean() < high


def test_one_repeat_adds_nothing_and_several_add_their_share() -> None:
    assert repeated_parts(0.01, (1, 0.5), (1, 0.5)) == [ErrorPart(0.01)]
    parts = repeated_parts(0.01, (3, 0.3), (1, 0.5), (5, 0.1))
    assert standard_error(parts) ** 2 == pytest.approx(0.01 + 0.09 / 3 + 0.01 / 5)
    assert [part.freedom for part in parts] == [None, 2, 4]


def test_what_single_pairs_add_counts_once() -> None:
    # Sums over 4 train sets and 8 evaluation sets: each holds the pairs' .002.
    pairs = Crossed(4, 8, trains=0.01 + 0.002, evals=0.005 + 0.002, left=0.002)
    parts = crossed_parts(pairs)
    assert standard_error(parts) ** 2 == pytest.approx(0.01 + 0.005 + 0.002)
    assert [part.freedom for part in parts] == [3, 7, 21]
    # Nothing but single pairs, of two train sets: their sums are all there is to go by.
    alone = crossed_parts(Crossed(2, 4, trains=0.002, evals=0.002, left=0.002))
    assert [part.variance for part in alone] == pytest.approx([0.002, 0.001, 0])
