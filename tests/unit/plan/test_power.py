"""What a dry run says that the grid can see."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assumed_changes import ASSUMED, EVAL_SETS, ITEMS, SEEDS, TRAIN_SETS, studies
from priced import BASE, TUNED, budget_for, dataset, study

from tuning_dynamics.common.power import ErrorPart, smallest_difference
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.contrasts import Contrast, Power
from tuning_dynamics.plan.power import power_of
from tuning_dynamics.plan.render_text import power_lines
from tuning_dynamics.plan.sizes import Known

Z, Z_POWER = 1.959964, 0.841621

FEW_SHOT = {**BASE, "shots": [5]}


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def power(resolved: ResolvedStudy) -> Power:
    return power_of(resolved, expand(resolved, "study.yaml"), Known(resolved))


def contrasts(folder: Path, *blocks: dict[str, Any], **more: Any) -> dict[str, Contrast]:
    return {seen.name: seen for seen in power(study(folder, *blocks, **more)).contrasts}


def test_what_is_planned_is_what_a_run_finds(tmp_path: Path) -> None:
    trained = [f"t{number}" for number in range(TRAIN_SETS)]
    evaluated = [f"e{number}" for number in range(EVAL_SETS)]
    files = {
        f"datasets/{name}": dataset("nli", evaluation=ITEMS) for name in (*trained, *evaluated)
    }
    block = {**TUNED, "train_sets": trained, "eval_sets": evaluated, "seeds": list(range(SEEDS))}
    statistics = {"main_recipe": "once", "power": ASSUMED.model_dump(exclude_defaults=True)}
    planned = contrasts(tmp_path, block, files=files, statistics=statistics)
    found = studies(150)
    for name, contrast in (
        ("tuned - base on one set", "change"),
        ("mean change, classification to classification", "transfer"),
    ):
        realised = found[found["contrast"] == contrast]["smallest"].to_numpy(dtype=float)
        assert planned[name].least == planned[name].most
        assert planned[name].least == pytest.approx(np.sqrt((realised**2).mean()), rel=0.1)


def test_a_change_on_one_set_by_hand(tmp_path: Path) -> None:
    seen = contrasts(tmp_path, {**BASE, "eval_sets": ["pairs"]}, TUNED)
    own = seen["tuned - base on one set"]
    # A quarter of 500 items flips.
    assert own.least == pytest.approx((Z + Z_POWER) * np.sqrt(0.25 / 500), rel=1e-5)
    assert own.design == "500 items, 1 seed, 1 draw"
    assert "few-shot base on one set" not in seen


def test_items_are_capped_and_generation_has_its_own_deviation(tmp_path: Path) -> None:
    block = {**TUNED, "eval_sets": ["texts"]}
    own = contrasts(tmp_path, block, data={"evaluation_items": 100})["tuned - base on one set"]
    assert own.least == pytest.approx((Z + Z_POWER) * 0.2 / 10, rel=1e-5)
    assert own.design.startswith("100 items")


def test_a_few_shot_score_by_hand(tmp_path: Path) -> None:
    statistics = {"main_recipe": "once", "power": {"base_score": 0.2}}
    block = {**FEW_SHOT, "eval_sets": ["pairs"]}
    own = contrasts(tmp_path, block, statistics=statistics)["few-shot base on one set"]
    assert own.least == pytest.approx((Z + Z_POWER) * np.sqrt(0.2 * 0.8 / 500), rel=1e-5)


def test_draws_of_the_base_count_on_both_sides(tmp_path: Path) -> None:
    block = {**FEW_SHOT, "eval_sets": ["pairs"], "draws": [0, 1, 2]}
    seen = contrasts(tmp_path, block, TUNED)
    own = seen["few-shot base on one set"]
    parts = [ErrorPart(0.25 / 500), ErrorPart(0.03**2 / 3, 2)]
    assert own.least == pytest.approx(smallest_difference(parts))
    assert own.design == "500 items, 3 draws"
    change = seen["tuned - base on one set"]
    # A quarter of the items flips, as many as vary at a score of .5.
    assert change.least == pytest.approx(own.least)
    assert change.design == "500 items, 1 seed, 3 draws"


def test_too_few_sets_have_no_mean_change_and_say_so(tmp_path: Path) -> None:
    block = {**TUNED, "eval_sets": ["texts", "choices"]}
    seen = contrasts(tmp_path, block)["mean change, classification to generation"]
    assert seen.size == "none"
    assert seen.design == (
        "1 pair of 1 train set and 1 evaluation set, 1 seed; an interval needs 2 and 4"
    )
    lines = power_lines(power(study(tmp_path, block)))
    assert sum("mean change" in line for line in lines) == 1


def test_pairs_that_transfer_leaves_out_do_not_count(tmp_path: Path) -> None:
    block = {**TUNED, "eval_sets": ["pairs", "texts", "choices"]}
    statistics = {"main_recipe": "once", "transfer": {"eval_sets": ["pairs", "texts"]}}
    seen = contrasts(tmp_path, block, statistics=statistics)
    # Of the set that is tuned on there is no transfer to itself.
    assert [name for name in seen if "mean" in name] == [
        "mean change, classification to generation"
    ]


def test_unknown_items_are_said(tmp_path: Path) -> None:
    without = dataset("nli")
    del without["size"]["evaluation"]
    resolved = study(
        tmp_path, {**TUNED, "eval_sets": ["pairs", "texts"]}, files={"datasets/pairs": without}
    )
    found = power(resolved)
    assert found.unknown == ("pairs",)
    (change,) = (seen for seen in found.contrasts if not seen.transfer)
    assert change.design.startswith("500 items")
    assert any("unknown for pairs" in line for line in power_lines(found))


def test_the_assumptions_are_said(tmp_path: Path) -> None:
    statistics = {"main_recipe": "once", "power": {"flips": 0.125}}
    text = "\n".join(power_lines(power(study(tmp_path, TUNED, statistics=statistics))))
    assert "12.5 % of items flip" in text
    assert "(statistics.power)" in text


def test_a_grid_without_a_contrast_says_nothing(tmp_path: Path) -> None:
    resolved = study(tmp_path, {**BASE, "eval_sets": ["pairs"]})
    assert power_lines(power(resolved)) == []
    assert budget_for(resolved).prices.known.evaluated_items("pairs") == 500
