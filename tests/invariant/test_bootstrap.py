"""The bootstrap agrees with scipy's; clusters, combinations and blocks with their definitions."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.bootstrap import (
    Floats,
    accelerations,
    bca_interval,
    expanded,
    interval_of,
    means,
    resampled_means,
    standard_errors,
    unit_sizes,
    unit_sums,
)


def ours(values: Floats, resamples: int, level: float, seed: int, method: str) -> Floats:
    """Our intervals of the columns of `values` (items, cells), shape (cells, 2)."""
    sizes = np.ones(len(values))
    drawn = resampled_means(values, sizes, resamples, seed)
    if method == "percentile":
        return interval_of(drawn, level)
    return bca_interval(drawn, means(values, sizes), accelerations(values, sizes), level)


def scipys(
    values: Floats, resamples: int, level: float, seed: int, method: str, statistic: Any = np.mean
) -> Floats:
    """scipy's interval of one cell."""
    result = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=resamples,
        confidence_level=level,
        method=method,
        rng=np.random.default_rng(seed),
    )
    return np.array(result.confidence_interval)


def columns(n: int) -> Floats:
    """Cells of n items: of accuracy, of ROUGE-L, of almost nothing."""
    generator = np.random.default_rng(n)
    return np.column_stack(
        [
            generator.binomial(1, 0.3, size=n),
            generator.beta(0.5, 0.7, size=n),
            generator.beta(0.2, 4, size=n),
        ]
    )


@pytest.mark.parametrize("method", ["percentile", "bca"])
# With fewer items some draws are all items, and equal the mean up to rounding: a tie for us.
@pytest.mark.parametrize("n", [25, 120, 1999])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_equal_scipys(n: int, level: float, method: str) -> None:
    values = columns(n)
    found = ours(values, 1000, level, 11, method)
    for column, ends in zip(values.T, found, strict=True):
        assert np.allclose(ends, scipys(column, 1000, level, 11, method), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_two_items_and_equal_scores_have_an_interval(method: str) -> None:
    assert np.allclose(ours(np.array([[0.0], [1.0]]), 500, 0.95, 0, method), [[0, 1]])
    flat = ours(np.full((30, 1), 0.1 + 0.2), 200, 0.95, 0, method)
    assert np.allclose(flat, 0.3, rtol=0, atol=1e-12)


def test_scores_of_thirds_have_ties_although_they_are_rounded() -> None:
    """A mean of thirds may miss an equal one by a last bit, which must not move the interval."""
    thirds = np.random.default_rng(0).integers(0, 4, size=(60, 1)) / 3
    found = ours(thirds, 2000, 0.95, 0, "bca")
    assert np.allclose(found, ours(thirds * 3, 2000, 0.95, 0, "bca") / 3, rtol=0, atol=1e-12)


def test_draws_in_blocks_equal_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = columns(37)
    indices = np.random.default_rng(9).integers(0, 37, size=(501, 37))
    expected = values[indices].mean(axis=1)
    for block in (1, 37 * 7, 10**6):
        monkeypatch.setattr("tuning_dynamics.stats.bootstrap._BLOCK_NUMBERS", block)
        drawn = resampled_means(values, np.ones(37), 501, 9)
        assert np.allclose(drawn, expected, rtol=0, atol=1e-12)


def test_a_seed_gives_equal_draws_and_another_seed_others() -> None:
    values = columns(80)
    first = ours(values, 500, 0.95, 0, "percentile")
    assert np.array_equal(first, ours(values, 500, 0.95, 0, "percentile"))
    assert not np.array_equal(first, ours(values, 500, 0.95, 1, "percentile"))


# --- clusters ----------------------------------------------------------------------------------


def clustered() -> tuple[Floats, Any]:
    """Scores of 40 contexts of 1 to 7 items, and each item's context in no order."""
    generator = np.random.default_rng(5)
    units = np.repeat(np.arange(40), generator.integers(1, 8, size=40))
    generator.shuffle(units)
    ease = generator.uniform(size=40)
    return np.clip(ease[units] + generator.normal(0, 0.1, size=len(units)), 0, 1), units


def ratio_of_sums(sums: Floats, sizes: Floats, axis: int = -1) -> Floats:
    return np.asarray(sums.sum(axis=axis) / sizes.sum(axis=axis))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_clustered_intervals_equal_scipys_of_a_ratio_of_sums(method: str) -> None:
    values, units = clustered()
    sums, sizes = unit_sums(values[:, None], units), unit_sizes(units)
    drawn = resampled_means(sums, sizes, 1000, 3)
    if method == "percentile":
        found = interval_of(drawn, 0.95)
    else:
        found = bca_interval(drawn, means(sums, sizes), accelerations(sums, sizes), 0.95)
    theirs = stats.bootstrap(
        (sums[:, 0], sizes),
        ratio_of_sums,
        paired=True,
        n_resamples=1000,
        method=method,
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert np.allclose(found[0], theirs, rtol=0, atol=1e-12)


def test_sums_and_sizes_are_those_of_the_units() -> None:
    values, units = clustered()
    sums = unit_sums(values[:, None], units)
    assert np.allclose(sums[:, 0], np.bincount(units, weights=values))
    assert means(sums, unit_sizes(units))[0] == pytest.approx(values.mean())
    alone = np.random.default_rng(0).permutation(len(values))
    assert np.array_equal(unit_sums(values[:, None], alone)[alone, 0], values)


def test_standard_errors_are_those_of_the_draws() -> None:
    values, units = clustered()
    sums, sizes = unit_sums(values[:, None], units), unit_sizes(units)
    drawn = resampled_means(sums, sizes, 20_000, 0)
    assert standard_errors(sums, sizes)[0] == pytest.approx(drawn.std(), rel=0.04)
    single = values[:, None]
    expected = values.std(ddof=1) / np.sqrt(len(values))
    assert standard_errors(single, np.ones(len(values)))[0] == pytest.approx(expected, rel=1e-12)


# --- few units ---------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [3, 10, 200])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_expanded_level_makes_a_percentile_interval_students(units: int, level: float) -> None:
    """Of normal draws, whose deviation has the number of units in its denominator."""
    wide = stats.norm.interval(expanded(level, units), scale=np.sqrt((units - 1) / units))
    assert wide == pytest.approx(stats.t.interval(level, units - 1))


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_two_units_have_an_interval_at_the_expanded_level(level: float, method: str) -> None:
    wide = expanded(level, 2)
    assert level < wide < 1
    found = ours(np.array([[0.2], [0.8]]), 500, wide, 0, method)
    assert 0.2 <= found[0, 0] < 0.5 < found[0, 1] <= 0.8


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_are_refused_rather_than_given_no_width(n: int) -> None:
    with pytest.raises(StudyError, match="at least 2 units"):
        resampled_means(np.ones((n, 1)), np.ones(n), 100, 0)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize(("resamples", "level"), [(0, 0.95), (100, 0.0), (100, 1.0), (100, 95)])
def test_nonsense_settings_are_refused(resamples: int, level: float, method: str) -> None:
    with pytest.raises(StudyError):
        ours(columns(20), resamples, level, 0, method)
