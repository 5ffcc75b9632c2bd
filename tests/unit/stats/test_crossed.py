"""Means over pairs of train set and evaluation set: two-way intervals, ratios and contrasts."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import t

from tuning_dynamics.stats.crossed import (
    Pairs,
    crossed_contrast,
    crossed_mean,
    crossed_ratio,
    too_few,
)

LEVEL = 0.95


def full(train_sets: int, eval_sets: int) -> list[tuple[str, str]]:
    return [(f"t{one}", f"e{other}") for one, other in product(range(train_sets), range(eval_sets))]


def pairs_of(names: list[tuple[str, str]], values: np.ndarray) -> Pairs:
    return Pairs(
        values, [one for one, _ in names], [other for _, other in names], np.ones(len(names))
    )


def drawn(
    generator: np.random.Generator,
    names: list[tuple[str, str]],
    trained: float,
    evaluated: float,
    own: float,
) -> Pairs:
    """Values whose train sets, evaluation sets and pairs vary by these standard deviations."""
    of_train = {one: generator.normal(0, trained) for one, _ in names}
    of_eval = {other: generator.normal(0, evaluated) for _, other in names}
    values = [
        of_train[one] + of_eval[other] + generator.normal(0, own) if own else of_train[one]
        for one, other in names
    ]
    return pairs_of(names, np.array(values))


@pytest.mark.parametrize("names", [full(3, 6), full(6, 5)])
@pytest.mark.parametrize("spread", [(0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (0.0, 1.0, 1.0)])
def test_intervals_cover_whatever_varies(
    names: list[tuple[str, str]], spread: tuple[float, float, float]
) -> None:
    generator = np.random.default_rng(7)
    found = [crossed_mean(drawn(generator, names, *spread), LEVEL) for _ in range(600)]
    assert 0.92 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.985


def test_sets_of_one_train_set_each_are_as_many_observations_as_train_sets() -> None:
    names = [(f"t{one}", f"e{one}{other}") for one in range(4) for other in range(3)]
    generator = np.random.default_rng(3)
    pairs = drawn(generator, names, 1.0, 1.0, 0.5)
    means = [np.mean(pairs.values[3 * one : 3 * one + 3]) for one in range(4)]
    half = t.ppf(0.975, 3) * np.std(means, ddof=1) / 2
    found = crossed_mean(pairs, LEVEL)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_a_mean_counts_cells_and_by_set_each_evaluation_set_once() -> None:
    pairs = Pairs(
        np.array([1.0, 0.0, 0.0]), ["t", "t", "u"], ["a", "b", "a"], np.array([2.0, 1.0, 1.0])
    )
    assert crossed_mean(pairs, LEVEL).value == 0.5
    assert crossed_mean(pairs, LEVEL, by_set=True).value == pytest.approx((2 / 3 + 0) / 2)
    assert crossed_mean(pairs, LEVEL).cells == 4


def test_a_ratio_is_certain_where_every_score_falls_to_0() -> None:
    names = full(3, 5)
    base = np.random.default_rng(0).uniform(0.1, 0.9, len(names))
    found = crossed_ratio(pairs_of(names, -base), base, LEVEL)
    assert (found.value, found.low, found.high) == pytest.approx((-1, -1, -1))


def test_a_ratio_has_the_noise_of_both_sides() -> None:
    names, generator = full(4, 6), np.random.default_rng(2)
    held = 0
    for _ in range(400):
        base = np.maximum(generator.normal(0.4, 0.1, len(names)), 0.05)
        change = -0.5 * base + generator.normal(0, 0.05, len(names))
        found = crossed_ratio(pairs_of(names, change), base, LEVEL)
        held += found.low <= -0.5 <= found.high
    assert 0.92 <= held / 400 <= 0.99


def test_what_train_sets_have_in_common_cancels_in_a_contrast() -> None:
    names = full(4, 8)
    generator = np.random.default_rng(5)
    both = drawn(generator, names, 3.0, 0.1, 0.1)
    second = np.array([int(other[1]) % 2 == 1 for _, other in names])
    parts = [
        pairs_of([name for name, kept in zip(names, part, strict=True) if kept], both.values[part])
        for part in (second, ~second)
    ]
    contrast = crossed_contrast(*parts, LEVEL)
    alone = crossed_mean(parts[0], LEVEL)
    assert contrast.high - contrast.low < 0.2 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("names", "groups", "reason"),
    [
        (full(1, 8), None, "1 train set where 2 are needed"),
        (full(4, 3), None, "3 evaluation sets where 4 are needed"),
        (full(2, 3), [0, 0, 1] * 2, "1 evaluation set in the smaller group where 2 are needed"),
        (full(2, 4), None, ""),
    ],
)
def test_too_few_sets_have_no_interval_and_say_why(
    names: list[tuple[str, str]], groups: list[int] | None, reason: str
) -> None:
    train_sets, eval_sets = zip(*names, strict=True)
    assert too_few(train_sets, eval_sets, groups or [0] * len(names)) == reason
    if groups is None:
        found = crossed_mean(pairs_of(names, np.arange(len(names), dtype=float)), LEVEL)
        assert found.reason == reason
        assert np.isnan(found.low) == bool(reason)


def test_an_empty_group_has_no_contrast() -> None:
    some, none = pairs_of(full(2, 4), np.ones(8)), pairs_of([], np.empty(0))
    assert np.isnan(crossed_contrast(some, none, LEVEL).value)
    assert np.isnan(crossed_mean(none, LEVEL).value)
