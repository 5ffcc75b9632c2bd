"""Where a rise ends comes back with an interval; what does not stop has none, and says why."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import asked

from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.summaries.turning_points import Turn, turning_point, turning_rows
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

DRAWING = Drawing(400, 0.95, 0)
TIMES = 60


def curves(x: Any, turn: float, rise: float, noise: float, late: float = 0.0) -> list[Any]:
    """TIMES curves that rise by `rise` per tenfold tokens up to `turn`, then by `late`."""
    generator = np.random.default_rng(3)
    true = 0.3 + rise * (np.minimum(x, turn) - x[0]) + late * np.maximum(x - turn, 0)
    return [true + generator.normal(0, noise, len(x)) for _ in range(TIMES)]


@pytest.mark.parametrize(
    ("checkpoints", "known", "late", "least"),
    [(6, True, 0, 0.9), (9, True, -0.1, 0.9), (9, False, 0, 0.83), (20, False, -0.1, 0.88)],
)
def test_a_planted_turning_point_comes_back_with_its_interval(
    checkpoints: int, known: bool, late: float, least: float
) -> None:
    x = np.linspace(9, 12, checkpoints)
    errors = np.full(checkpoints, 0.02 if known else np.nan)
    drawn = curves(x, 10.55, 0.15, 0.02, late)
    found = [turning_point(x, y, errors, late, DRAWING) for y in drawn]
    assert np.mean([turn.place for turn in found]) == pytest.approx(10.55, abs=0.1)
    # Before the ends move out to the checkpoints around them.
    assert np.mean([turn.low <= 10.55 <= turn.high for turn in found]) >= least
    assert np.mean([turn.fits for turn in found]) >= 0.95


def test_a_curve_that_no_stick_fits_has_no_place() -> None:
    x = np.linspace(9, 12, 12)
    waves = 0.3 + 0.1 * np.sin(4 * x)
    assert not turning_point(x, waves, np.full(12, 0.01), 0.0, DRAWING).fits
    unknown = turning_point(x, waves, np.full(12, np.nan), 0.0, DRAWING)
    assert np.isnan(unknown.fit_p)
    assert unknown.fits


def test_scores_that_scatter_beyond_their_errors_widen_the_interval() -> None:
    x = np.linspace(9, 12, 12)
    y = curves(x, 10.55, 0.3, 0.03)[0]

    def found(error: float) -> Turn:
        return turning_point(x, y, np.full(12, error), 0.0, DRAWING)

    honest, bold = found(0.03), found(0.0001)
    assert bold.high - bold.low > 0.5 * (honest.high - honest.low)


def row(step: int, score: float, **more: Any) -> dict[str, Any]:
    return {
        **{name: "" for name, kind in columns_of("seed_means").items() if kind == "str"},
        **{name: None for name, kind in columns_of("seed_means").items() if kind != "str"},
        **{"family": "toy", "checkpoint": str(step), "step": step, "tokens": step * 1000},
        **{"recipe": "base", "eval_set": "a", "task": "t", "kind": "generation"},
        **{"format": "default", "shots": 4, "prediction": "greedy", "metric": "rouge_l"},
        **{"n": 10_000, "score": score, "ci_low": score - 0.006, "ci_high": score + 0.006},
        **more,
    }


STEPS = (0, 10, 100, 1000, 50_000, 100_000, 1_000_000)
#: Rises up to some place in the hole between 1,000 and 50,000 steps.
SCORES = (0.1, 0.15, 0.25, 0.35, 0.4, 0.4, 0.4)


def table(*sets: tuple[tuple[float, ...], dict[str, Any]]) -> pd.DataFrame:
    rows = [
        row(step, score, **more)
        for scores, more in sets
        for step, score in zip(STEPS, scores, strict=False)
    ]
    return turning_rows(from_rows(rows, "seed_means"), asked())


def test_the_interval_is_no_finer_than_the_hole_it_lies_in() -> None:
    found = table((SCORES, {})).set_index("eval_set").loc["a"]
    assert found["shape"] == "stops"
    assert (found["gap_low"], found["gap_high"]) == (1_000_000, 50_000_000)
    assert found["gap_low"] < found["tokens"] <= found["gap_high"]
    assert found["low"] <= found["gap_low"]
    assert found["high"] >= found["gap_high"]
    tokens = {step * 1000 for step in STEPS}
    assert {found["low"], found["high"]} <= tokens


def test_each_series_has_a_row_and_the_mean_over_whole_sets_another() -> None:
    rising = tuple(0.1 + 0.05 * np.log10([10 / 3, *STEPS[1:]]))
    found = table(
        (SCORES, {}),
        (rising, {"eval_set": "b"}),
        ((0.3,) * 7, {"eval_set": "c"}),
        ((0.3, 0.9, 0.9), {"eval_set": "d"}),
        (SCORES, {"recipe": "full", "train_set": "a", "role": "id", "seeds": 1}),
        ((0.5,) * 7, {"recipe": "full", "train_set": "b", "role": "cross", "seeds": 1}),
    )
    shapes = found.set_index(["recipe", "train_set", "eval_set"])["shape"]
    assert shapes.to_dict() == {
        ("base", "", "a"): "stops",
        ("base", "", "b"): "still_rising",
        ("base", "", "c"): "flat",
        ("base", "", "d"): "too_few",
        ("base", "", "all"): shapes["base", "", "all"],
        ("full", "a", "a"): "stops",
        ("full", "b", "a"): "flat",
        ("full", "", "all"): "stops",
    }
    by_set = found.set_index(["recipe", "eval_set"])
    assert by_set.loc[("base", "d"), "reason"] == "3 checkpoints where 5 are needed"
    # Set d lacks checkpoints, so that its high scores must not lift the mean curve's start.
    assert by_set.loc[("base", "all"), "checkpoints"] == 7
    rises = by_set.loc[("base", "b")]
    assert np.isnan(rises["tokens"])
    assert rises["reason"].startswith("it rises over the last tenfold tokens: +0.050 per tenfold")


def test_without_errors_the_residuals_decide() -> None:
    unknown = {"n": None, "ci_low": None, "ci_high": None}
    found = table((SCORES, unknown)).set_index("eval_set").loc["a"]
    assert found["shape"] == "stops"
    flat = table(((0.3, 0.31, 0.29, 0.3, 0.31, 0.29, 0.3), unknown)).set_index("eval_set")
    assert flat.loc["a", "shape"] == "flat"


def test_without_a_set_at_every_checkpoint_there_is_no_mean_curve() -> None:
    later = [row(step, 0.3, eval_set="b") for step in STEPS[3:]]
    early = [row(step, 0.3) for step in STEPS[:3]]
    made = turning_rows(from_rows([*early, *later], "seed_means"), asked())
    found = made.set_index("eval_set").loc["all"]
    assert (found["shape"], found["checkpoints"], found["recipe"]) == ("too_few", 0, "base")
    assert found["reason"] == "no set is evaluated at every checkpoint"
    assert np.isnan(found["tokens"])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("twice", [0, 8])
def test_two_labels_at_one_number_of_tokens_are_one_place(twice: int, known: bool) -> None:
    x = np.linspace(9, 12, 9)
    y = 0.3 + 0.15 * (np.minimum(x, 10.5) - 9)
    errors = np.full(10, 0.01 if known else np.nan)
    # A small difference of the two scores, which no stick explains.
    both = np.insert(y, twice, y[twice] + 0.002)
    found = turning_point(np.insert(x, twice, x[twice]), both, errors, 0.0, DRAWING)
    assert found.place == pytest.approx(10.5, abs=0.05)
    assert found.low <= 10.5 <= found.high


def test_pairs_on_one_evaluation_set_do_not_average_its_noise_away() -> None:
    generator = np.random.default_rng(5)
    scores = tuple(0.3 + generator.normal(0, 0.02, 7) + 0.004 * np.arange(7))
    own = {"recipe": "full", "role": "id", "ci_low": 0.25, "ci_high": 0.35, "n": 100}
    one = table((scores, {**own, "train_set": "t0"}))
    many = table(*((scores, {**own, "train_set": f"t{k}"}) for k in range(6)))
    reasons = [made.set_index("eval_set").loc["all", "reason"] for made in (one, many)]
    assert reasons[0].startswith("no rise beyond noise")
    assert reasons[1] == reasons[0]
    apart = table(*((scores, {**own, "train_set": "t", "eval_set": f"e{k}"}) for k in range(6)))
    # Other items each: this mean is surer.
    assert apart.set_index("eval_set").loc["all", "reason"] != reasons[0]
