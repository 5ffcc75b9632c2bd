"""What keeps large studies fast: a grid of axes, parts, and cached code."""

from dataclasses import replace
from pathlib import Path

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.grid.grid import Grid, expand, unpaired_cells
from tuning_dynamics.run.parts import (
    StudyPart,
    parse_part,
    part_variants,
)

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "tests/smoke/study.yaml"


def grid(path: Path = SMOKE) -> Grid:
    return expand(load_study(read_yaml(path), ROOT, path), str(path))


def test_the_axes_know_the_cells_without_writing_them_out() -> None:
    found = grid()
    assert all(found.has_cell(cell) for cell in found.cells)
    assert all(found.has_variant(variant) for variant in found.variants)
    assert not {"cells", "settings"} & set(vars(grid()))  # not when only asked for one
    base, tuned = found.variants[0], found.tuned[0]
    for other in (
        replace(base, step=7),
        replace(base, family="other"),
        replace(base, seed=0),
        replace(tuned, recipe="quick_lora"),
        replace(tuned, train_set="facts_qa"),
        replace(tuned, seed=9),
    ):
        assert not found.has_variant(other), other
    cell = next(cell for cell in found.cells if cell.variant == tuned)
    for wrong in (
        replace(cell, format="instruct"),
        replace(cell, shots=2),
        replace(cell, prediction="free"),
        replace(cell, variant=base),
    ):
        assert not found.has_cell(wrong), wrong


def test_what_the_axes_say_is_what_the_cells_say() -> None:
    found = grid()
    variants = {cell.variant for cell in found.cells}
    assert set(found.variants) == variants
    assert found.checkpoints == sorted({variant.checkpoint for variant in variants})
    assert found.eval_sets == sorted({cell.eval_set for cell in found.cells})
    assert found.steps("tiny") == [point.step for point in found.checkpoints]
    assert found.settings_of("tiny") == {cell.setting for cell in found.cells}
    trained = {(v.family, v.recipe, v.train_set) for v in variants if v.recipe != "base"}
    assert found.trainings == sorted(trained)


def test_a_tuned_cell_has_a_base_in_any_number_of_shots_or_is_reported() -> None:
    assert unpaired_cells(grid()) == []
    document = read_yaml(SMOKE)
    document["blocks"][0]["eval_sets"].remove("nli_places")
    without = expand(load_study(document, ROOT, SMOKE), "x")
    alone = unpaired_cells(without)
    assert {cell.eval_set for cell in alone} == {"nli_places"}
    assert all(cell in without.cells and cell.variant.recipe != "base" for cell in alone)


@pytest.mark.parametrize("parts", [1, 7, 24])
def test_every_variant_is_in_one_part(parts: int) -> None:
    whole = grid(ROOT / "config/studies/pythia_410m.yaml")
    found = [part_variants(whole, number, parts, "x") for number in range(1, parts + 1)]
    assert all(found)
    assert [variant for part in found for variant in part] == whole.variants
    points = [{variant.checkpoint for variant in part} for part in found]
    assert sum(map(len, points)) == len(whole.checkpoints)


def test_a_part_is_a_number_of_several_or_the_tables() -> None:
    assert parse_part(None, "x") is None
    assert parse_part("3/24", "x") == StudyPart(3, 24)
    assert parse_part("tables/24", "x") == StudyPart(None, 24)
    for text in ("0/3", "4/3", "3", 3, "tables", "last/3", "1/0", "1/3 "):
        with pytest.raises(StudyError, match="not a part"):
            parse_part(text, "x")
    with pytest.raises(StudyError, match="fewer checkpoints than parts"):
        part_variants(grid(), 1, 4, "x")
