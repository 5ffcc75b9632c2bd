"""Scores that should be equal give the noise floor: over seeds, over near-identical checkpoints."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuning_dynamics.stats.noise import (
    NEAR,
    SEEDS,
    UNKNOWN,
    Floor,
    noise_floor,
    noise_rows,
    slope_floor,
)
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

KEY: dict[str, Any] = {
    "family": "toy",
    "checkpoint": "1000",
    "step": 1000,
    "tokens": 1_000_000,
    "recipe": "full",
    "train_set": "nli_people",
    "seed": 1,
    "eval_set": "nli_people",
    "task": "nli",
    "kind": "classification",
    "role": "id",
    "format": "default",
    "shots": 0,
    "draw": 0,
    "prediction": "token_prob",
    "metric": "accuracy",
    "n": 100,
    "score": 0.5,
    "se": 0.05,
    "ci_low": 0.4,
    "ci_high": 0.6,
    "truncated": 0,
    "commonest": 0.6,
    "degenerate": "",
    "records": "",
}
BASE = {"recipe": "base", "train_set": "", "seed": None, "role": "", "shots": 4}


def scores(*rows: dict[str, Any]) -> pd.DataFrame:
    return from_rows([{**KEY, **row} for row in rows], "scores")


def at(step: int, **more: Any) -> dict[str, Any]:
    return {"step": step, "checkpoint": str(step), "tokens": step * 1000, **more}


def test_seeds_of_a_cell_are_compared() -> None:
    values = [0.5, 0.6, 0.4]
    table = noise_rows(scores(*({"seed": k, "score": v} for k, v in enumerate(values))))
    assert list(table.columns) == list(columns_of("noise"))
    cell, pooled = table.iloc[0], table.iloc[1]
    assert (cell["kind"], cell["checkpoint"], cell["n"], cell["pairs"]) == (SEEDS, "1000", 3, 3)
    assert cell["seed"] is pd.NA
    assert cell["sd"] == pytest.approx(np.std(values, ddof=1))
    assert cell["range"] == pytest.approx(0.2)
    squares = [(a - b) ** 2 for a in values for b in values if a < b]
    assert cell["difference"] == pytest.approx(np.sqrt(np.mean(squares)))
    assert (pooled["checkpoint"], pooled["train_set"], pooled["pairs"]) == ("all", "", 3)
    assert pooled["difference"] == pytest.approx(cell["difference"])


def test_cells_that_differ_in_anything_but_the_seed_are_no_noise() -> None:
    for change in (
        {"eval_set": "nli_places"},
        {"format": "io"},
        {"shots": 4},
        {"draw": 1},
        {"recipe": "lora"},
        {"train_set": "b"},
        {"prediction": "free"},
        {"family": "zoo"},
        at(2000),
    ):
        assert noise_rows(scores({}, {"seed": 2, **change})).empty


def test_near_identical_checkpoints_are_compared_seed_by_seed_and_base_too() -> None:
    table = noise_rows(
        scores(
            at(738_000, score=0.5),
            at(738_020, score=0.8),
            at(738_020, score=0.1, seed=2),
            at(738_000, score=0.3, **BASE),
            at(738_020, score=0.31, **BASE),
            at(700_000, score=0.9),
        )
    )
    cells = table[(table["kind"] == NEAR) & (table["checkpoint"] != "all")].set_index("recipe")
    assert len(cells) == 2
    assert (cells.loc["full", "checkpoint"], cells.loc["full", "other"]) == ("738000", "738020")
    assert cells.loc["full", "difference"] == pytest.approx(0.3)
    assert cells.loc["full", "range"] == pytest.approx(0.3)
    assert cells.loc["full", "seed"] == 1
    assert cells.loc["base", "difference"] == pytest.approx(0.01)


@pytest.mark.parametrize(("step", "near"), [(991, True), (990, False), (1009, True), (1012, False)])
def test_near_is_less_than_one_percent_of_tokens(step: int, near: bool) -> None:
    assert noise_rows(scores(at(1000), at(step))).empty != near


def test_two_labels_of_one_step_are_near() -> None:
    table = noise_rows(scores(at(1000), at(1000, checkpoint="main", score=0.8)))
    cell = table.iloc[0]
    assert (cell["kind"], cell["checkpoint"], cell["other"]) == (NEAR, "1000", "main")
    assert cell["difference"] == pytest.approx(0.3)


def test_the_untrained_checkpoint_is_near_none() -> None:
    assert noise_rows(scores(at(0), at(1))).empty


def test_the_pooled_rows_are_over_pairs_of_one_format() -> None:
    table = noise_rows(
        scores(
            *({"seed": k, "score": v} for k, v in enumerate([0.5, 0.6, 0.7])),
            *({"seed": k, "score": v} | at(2000) for k, v in enumerate([0.2, 0.6])),
            *({"seed": k, "score": v, "format": "io"} for k, v in enumerate([0.2, 0.9])),
        )
    )
    pooled = table[table["checkpoint"] == "all"].set_index("format")
    assert pooled["n"].to_dict() == {"default": 5, "io": 2}
    assert pooled["pairs"].to_dict() == {"default": 4, "io": 1}
    default = np.sqrt((0.01 + 0.01 + 0.04 + 0.16) / 4)
    assert pooled["difference"].to_dict() == pytest.approx({"default": default, "io": 0.7})
    assert pooled["range"].to_dict() == pytest.approx({"default": 0.4, "io": 0.7})
    asked = {"recipe": "full", "eval_sets": ["nli_people"]}
    assert noise_floor(table, **asked).value == pytest.approx(default)
    assert noise_floor(table, **asked, formats=["io"]).value == pytest.approx(0.7)
    every = noise_floor(table, **asked, formats=())
    assert (every.pairs, every.sets) == (5, 1)
    assert every.value == pytest.approx(np.sqrt((4 * default**2 + 0.49) / 5))


def test_draws_of_demonstrations_are_no_seeds() -> None:
    two = [{"seed": 1, "score": 0.3, "draw": 0}, {"seed": 1, "score": 0.6, "draw": 1}]
    assert noise_rows(scores(*two)).empty
    table = noise_rows(scores(*two, {"seed": 2, "score": 0.4, "draw": 0}))
    assert table["difference"].tolist() == pytest.approx([0.1, 0.1])


def test_the_floor_of_a_slope_is_how_much_equal_scores_tilt() -> None:
    x = np.array([0.0, 1.0, 1.5, 3.0])
    series = np.random.default_rng(0).normal(0.5, 0.1, size=(20_000, len(x)))
    slopes = np.polyfit(x, series.T, 1)[0]
    floor = slope_floor(Floor(0.1 * np.sqrt(2), SEEDS, 4, 2), x)
    assert floor.value == pytest.approx(slopes.std(), rel=0.02)
    assert (floor.kind, floor.pairs, floor.sets) == (SEEDS, 4, 2)
    assert np.isnan(slope_floor(Floor(0.1, SEEDS, 4, 2), np.ones(3)).value)


def test_the_floor_is_the_larger_kind_of_the_sets_asked_for() -> None:
    other = {"eval_set": "nli_places"}
    table = noise_rows(
        scores(
            at(1000, score=0.5),
            at(1000, score=0.52, seed=2),
            at(1001, score=0.6),
            at(1000, score=0.1, **other),
            at(1000, score=0.9, seed=2, **other),
            at(1000, score=0.0, recipe="lora"),
            at(1000, score=1.0, recipe="lora", seed=2),
        )
    )
    one = noise_floor(table, recipe="full", eval_sets=["nli_people"])
    assert (one.kind, one.pairs, one.sets) == (NEAR, 1, 1)
    assert one.value == pytest.approx(0.1)
    both = noise_floor(table, recipe="full", eval_sets=["nli_people", "nli_places", "c"])
    assert (both.kind, both.pairs, both.sets) == (SEEDS, 2, 2)
    assert both.value == pytest.approx(np.sqrt((0.02**2 + 0.8**2) / 2))


def test_a_set_with_two_metrics_is_one_set() -> None:
    seeds = [{"seed": seed, "metric": name} for name in ("accuracy", "f1") for seed in (1, 2)]
    floor = noise_floor(noise_rows(scores(*seeds)), recipe="full", eval_sets=["nli_people"])
    assert (floor.pairs, floor.sets) == (2, 1)


def test_no_seeds_and_no_near_checkpoints_leave_the_floor_unknown() -> None:
    table = noise_rows(scores({}, at(2000)))
    assert table.empty
    floor = noise_floor(table, recipe="full", eval_sets=["nli_people"])
    assert floor is UNKNOWN
    assert np.isnan(floor.value)
