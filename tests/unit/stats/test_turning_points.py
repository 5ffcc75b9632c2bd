"""Where a rise ends comes back with an interval; what does not stop has none, and says why."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import asked

from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.summaries import groups
from tuning_dynamics.stats.summaries.turning_points import Turn, turning_point, turning_rows
from tuning_dynamics.stats.tokens import log_tokens
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


#: Accuracy hardly moves from chance, .25, and the probability of the right option does.
NEAR_CHANCE = (0.26, 0.24, 0.27, 0.26, 0.28, 0.27, 0.29)
CLEAR = (0.25, 0.252, 0.256, 0.262, 0.27, 0.28, 0.291)
CHANCE = {"a": 0.25, "b": 0.25}


def options(
    scores: Any, probabilities: Any, error: float = 0.003, **more: Any
) -> list[dict[str, Any]]:
    """Rows of a set with options, with standard errors of .02 of its accuracy, and so of the
    probability."""
    return [
        row(
            step,
            score,
            **{"kind": "multiple_choice", "metric": "accuracy", "prediction": "likelihood"},
            **{"ci_low": score - 0.039, "ci_high": score + 0.039, "probability": value},
            **{"probability_low": value - 1.96 * error, "probability_high": value + 1.96 * error},
            **more,
        )
        for step, score, value in zip(STEPS, scores, probabilities, strict=False)
    ]


def judged(*sets: list[dict[str, Any]], chance: dict[str, float] | None = None) -> pd.DataFrame:
    """turning_points.csv of these rows, without mean curves."""
    rows = from_rows([one for own in sets for one in own], "seed_means")
    found = turning_rows(rows, asked(), CHANCE if chance is None else chance)
    return found[found["eval_set"] != "all"].set_index(["recipe", "eval_set"])


def test_a_set_near_chance_is_judged_by_the_probability_of_the_right_option() -> None:
    own = options(NEAR_CHANCE, CLEAR)
    found = judged(own).loc["base", "a"]
    assert (found["metric"], found["measure"]) == ("accuracy", "probability")
    assert (found["shape"], found["rise_p"] < 0.01) == ("still_rising", True)
    x = log_tokens(pd.Series([1000 * step for step in STEPS]))
    assert 0 < found["slope_low"] < np.polyfit(x, CLEAR, 1)[0] < found["slope_high"]
    # As small in standard errors as .01 is of accuracy.
    assert found["margin"] == pytest.approx(0.01 * 0.003 / (0.039 / 1.96), rel=1e-3)
    by_score = judged(own, chance={}).loc["base", "a"]
    assert (by_score["measure"], by_score["margin"]) == ("score", 0.01)
    assert by_score["shape"] == "not_shown"


@pytest.mark.parametrize(
    ("probabilities", "error", "more"),
    [
        # Further above chance, but not clearly.
        (np.array(NEAR_CHANCE) + 0.004, 0.02, {}),
        # How sure checkpoints are differs from one to the next.
        (np.array(CLEAR) + 0.02 * np.array([1, -1, 1, -1, 1, -1, 1]), 0.003, {}),
        # Of an unknown error.
        (CLEAR, np.nan, {}),
        # Chance of ROUGE-L is not that of the options.
        (CLEAR, 0.003, {"metric": "rouge_l"}),
        # Its chance is not known.
        (CLEAR, 0.003, {"eval_set": "c"}),
    ],
)
def test_other_sets_are_judged_by_their_scores(
    probabilities: Any, error: float, more: dict[str, Any]
) -> None:
    rows = [{**one, **more} for one in options(NEAR_CHANCE, probabilities, error)]
    found = judged(rows).iloc[0]
    assert (found["measure"], found["margin"]) == ("score", 0.01)


def test_a_late_rise_is_not_taken_for_scatter() -> None:
    scores = (0.25, 0.24, 0.26, 0.25, 0.27, 0.31, 0.38)
    late = (0.25, 0.248, 0.251, 0.253, 0.258, 0.28, 0.34)
    assert judged(options(scores, late)).loc[("base", "a"), "measure"] == "probability"
    # The same values in an order that is no curve.
    mixed = np.array(late)[[0, 6, 1, 5, 2, 4, 3]]
    assert judged(options(scores, mixed)).loc[("base", "a"), "measure"] == "score"


def test_labels_that_share_a_number_of_tokens_have_a_measure() -> None:
    rows = options(NEAR_CHANCE, CLEAR)
    shared = [{**rows[2], "checkpoint": label, "step": 11} for label in ("x", "y")]
    found = judged([*rows, *shared]).loc["base", "a"]
    assert (found["checkpoints"], found["measure"]) == (9, "probability")


def test_below_chance_a_set_is_judged_by_its_score() -> None:
    below, near = np.array(NEAR_CHANCE) - 0.06, np.array(CLEAR) - 0.018
    assert judged(options(below, near)).loc[("base", "a"), "measure"] == "score"
    assert judged(options(below, near + 0.01)).loc[("base", "a"), "measure"] == "probability"


def test_a_set_is_judged_by_its_score_where_a_checkpoint_has_no_probability() -> None:
    rows = options(NEAR_CHANCE, CLEAR)
    rows[3]["probability"] = None
    assert judged(rows).loc[("base", "a"), "measure"] == "score"
    assert judged(options(NEAR_CHANCE, CLEAR)[:4]).loc[("base", "a"), "measure"] == "score"


def test_tuned_models_are_judged_as_the_base_model_is() -> None:
    more = {"recipe": "full", "train_set": "a", "role": "id", "seeds": 1}
    # By its own values a tuned model would be judged by its scores.
    own = options(0.2 + np.array(CLEAR), CLEAR, **more)
    found = judged(options(NEAR_CHANCE, CLEAR), own, options(CLEAR, CLEAR, 0.02, eval_set="b"))
    assert found["measure"].to_dict() == {
        ("base", "a"): "probability",
        ("full", "a"): "probability",
        ("base", "b"): "score",
    }
    without = [{**one, "probability": None} for one in own]
    assert set(judged(options(NEAR_CHANCE, CLEAR), without)["measure"]) == {"score"}


def test_the_measure_does_not_depend_on_the_direction_of_a_curve() -> None:
    generator = np.random.default_rng(0)
    found = []
    for _ in range(30):
        scores = generator.normal(0.3, 0.02, 7)
        values = generator.normal(0.27, 0.008, 7)
        curves = [(scores, values), (scores[::-1], values), (scores, values[::-1])]
        # At places that lie the same in both directions.
        measures = [_evenly(*curve) for curve in curves]
        assert len(set(measures)) == 1
        found.append(measures[0])
    assert set(found) == {"score", "probability"}


def _evenly(scores: Any, probabilities: Any) -> str:
    rows = options(scores, probabilities)
    for place, one in enumerate(rows):
        one |= {"checkpoint": str(place), "step": place, "tokens": 10 ** (place + 3)}
    return str(judged(rows).loc[("base", "a"), "measure"])


def test_a_large_rise_of_the_score_is_never_flat_by_the_probability() -> None:
    scores = (0.26, 0.25, 0.26, 0.25, 0.25, 0.25, 0.5)
    values = (0.28,) * 7
    found = judged(options(scores, values)).loc["base", "a"]
    assert found["measure"] == "probability"
    assert found["rise_p"] > 0.5
    assert found["shape"] not in ("flat", "not_shown")
    lower = judged(options(np.minimum(scores, 0.3), values)).loc["base", "a"]
    assert (lower["measure"], lower["shape"]) == ("probability", "flat")


def test_the_mean_curve_and_the_groups_are_of_scores() -> None:
    means = from_rows(options(NEAR_CHANCE, CLEAR), "seed_means")
    by_rule = turning_rows(means, asked(), CHANCE).set_index("eval_set")
    assert by_rule["measure"].to_dict() == {"a": "probability", "all": "score"}
    empty = from_rows([], "halves")
    tables = {"seed_means": means, "halves": empty, "turning_points": by_rule.reset_index()}
    (group,) = groups.make(tables, asked()).to_dict("records")
    by_score = judged(options(NEAR_CHANCE, CLEAR), chance={}).loc["base", "a"]
    assert (group["group"], group["shape"]) == ("other", "not_shown")
    assert (group["trend"], group["trend_p"]) == (by_score["slope"], by_score["rise_p"])
