"""Planted curves: what rises is said to, what goes on is not said to stop, and early checkpoints
do not decide how a curve ends."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuning_dynamics.stats.curve_shape import (
    END_OPEN,
    FALLS,
    FLAT,
    NOT_SHOWN,
    RISES,
    STILL_RISING,
    STOPS,
    TOO_FEW,
    CurveShape,
    curve_shape,
)
from tuning_dynamics.stats.drawing import Drawing

DRAWING = Drawing(400, 0.95, 0)
TIMES = 60
NOISE = 0.01


def shape(x: Any, y: Any, errors: Any) -> CurveShape:
    return curve_shape(x, y, errors, DRAWING, alpha=0.05, margin=0.01)


#: Curves over log10 tokens u from the first checkpoint on; `more` still to come at the last one.
CURVES = {
    "power_law": lambda u: 0.75 - 0.45 * 10 ** (-0.36 * u),
    "two_slopes": lambda u: 0.3 + 0.12 * np.minimum(u, 1.5) + 0.04 * np.maximum(u - 1.5, 0),
    "plateau": lambda u: 0.3 + 0.15 * np.minimum(u, 1.2),
    "floor": lambda u: 0.3 + 0.15 * np.maximum(u - 1.8, 0),
    "peak": lambda u: 0.3 + 0.15 * np.minimum(u, 1.5) - 0.1 * np.maximum(u - 1.5, 0),
    "level": lambda u: 0.3 + 0 * u,
}


def shapes(curve: str, checkpoints: int, noise: float = NOISE, known: bool = True) -> Counter[str]:
    """How often each shape is found for one curve with other noise."""
    return Counter(found.shape for found in all_shapes(curve, checkpoints, noise, known))


def all_shapes(
    curve: str, checkpoints: int, noise: float = NOISE, known: bool = True, left_out: int = 0
) -> list[CurveShape]:
    x = np.linspace(9, 12, checkpoints)
    generator = np.random.default_rng(3)
    errors = np.full(checkpoints, noise if known else np.nan)[left_out:]
    drawn = [CURVES[curve](x - 9) + generator.normal(0, noise, checkpoints) for _ in range(TIMES)]
    return [shape(x[left_out:], y[left_out:], errors) for y in drawn]


@pytest.mark.parametrize("checkpoints", [6, 20])
def test_what_goes_on_is_not_said_to_stop(checkpoints: int) -> None:
    for curve in ("power_law", "two_slopes", "floor"):
        found = shapes(curve, checkpoints)
        assert found[STOPS] + found[FALLS] <= 0.05 * TIMES
        assert found[STILL_RISING] > 0.5 * TIMES
    assert shapes("peak", checkpoints)[FALLS] > 0.9 * TIMES


def test_a_plateau_is_seen_where_the_noise_allows() -> None:
    clear, coarse = (shapes("plateau", 20, noise) for noise in (0.003, 0.04))
    assert clear[STOPS] > 0.9 * TIMES
    assert coarse[END_OPEN] > 0.8 * TIMES


@pytest.mark.parametrize("known", [True, False])
def test_nothing_planted_is_not_shown_or_flat(known: bool) -> None:
    found = shapes("level", 12, known=known)
    assert sum(found[name] for name in RISES) <= 0.1 * TIMES
    assert found[FLAT] > 0.5 * TIMES
    assert shapes("level", 12, 0.05, known)[FLAT] <= 0.1 * TIMES


@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_early_checkpoints_do_not_decide_how_a_curve_ends(left_out: int) -> None:
    whole = all_shapes("plateau", 20, 0.004)
    part = all_shapes("plateau", 20, 0.004, left_out=left_out)
    changed = [(one.shape, other.shape) for one, other in zip(whole, part, strict=True)]
    assert sum(one != other for one, other in changed) <= 0.1 * TIMES
    assert not any({STOPS, STILL_RISING} == set(pair) for pair in changed)


def test_a_rise_that_slows_down_is_said_to() -> None:
    assert sum(one.slower for one in all_shapes("two_slopes", 12)) > 0.9 * TIMES
    assert sum(one.slower for one in all_shapes("floor", 12)) == 0


# A busy machine is no reason to fail.
@settings(
    derandomize=True,
    database=None,
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=12),
    st.floats(0, 0.4),
    st.floats(0.2, 0.6),
    st.floats(0.001, 0.04),
)
def test_a_large_rise_with_disjoint_intervals_is_a_rise(
    between: list[float], first: float, rise: float, error: float
) -> None:
    y = np.array([first, *between, first + rise])
    found = shape(np.linspace(8, 12, len(y)), y, np.full(len(y), error))
    assert found.shape in RISES


def test_what_is_known_to_rise_is_never_flat() -> None:
    x = np.linspace(9, 12, 9)
    level = np.full(9, 0.3)
    errors = np.full(9, 0.001)
    assert shape(x, level, errors).shape == FLAT
    found = curve_shape(x, level, errors, DRAWING, alpha=0.05, margin=0.01, known_to_rise=True)
    assert found.shape in RISES


def test_the_slopes_are_least_squares_and_their_interval_normal() -> None:
    x = np.linspace(9, 12, 7)
    y = 0.3 + 0.05 * (x - 9)
    found = shape(x, y, np.full(7, 0.01))
    assert (found.overall.value, found.late.value) == (pytest.approx(0.05), pytest.approx(0.05))
    error = 0.01 / np.sqrt(((x - x.mean()) ** 2).sum())
    assert found.overall.high - found.overall.value == pytest.approx(1.96 * error, rel=1e-3)


def test_few_checkpoints_have_no_shape() -> None:
    x = np.linspace(9, 12, 4)
    found = shape(x, x / 20, np.full(4, 0.001))
    assert (found.shape, found.rises) == (TOO_FEW, False)
    assert np.isnan([found.rise_p, found.overall.value, found.late.low]).all()


def test_scores_that_scatter_beyond_their_errors_are_no_rise() -> None:
    generator = np.random.default_rng(5)
    x = np.linspace(9, 12, 12)
    found = [shape(x, generator.normal(0.3, 0.05, 12), np.full(12, 1e-4)) for _ in range(TIMES)]
    assert sum(one.rises for one in found) <= 0.15 * TIMES
    assert {NOT_SHOWN} >= {one.shape for one in found if not one.rises} - {FLAT}
