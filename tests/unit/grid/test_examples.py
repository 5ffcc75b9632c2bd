"""The cells of a report's examples: few sets, of all tasks, base and one tuned model each."""

from pathlib import Path
from typing import Any

from tuning_dynamics.common.variants import Cell
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.grid.examples import MOST_SETS, example_cells
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.run.all_jobs import Jobs

ROOT = Path(__file__).parents[3]
SMOKE = read_yaml(ROOT / "tests/smoke/study.yaml")
DEMO = read_yaml(ROOT / "config/config.yaml")


def cells_of(document: dict[str, Any]) -> list[Cell]:
    resolved = load_study(document, ROOT, "study.yaml")
    return example_cells(resolved, expand(resolved, "study.yaml"))


def test_each_set_has_its_base_and_the_model_tuned_most_alike() -> None:
    found = cells_of(SMOKE)
    assert {(cell.variant.family, cell.variant.step) for cell in found} == {("tiny", 40)}
    by_set = {cell.eval_set: [] for cell in found}
    for cell in found:
        by_set[cell.eval_set].append((cell.variant.recipe, cell.shots, cell.format))
    # Own task and domain first; a second set of a task last.
    assert list(by_set) == ["nli_people", "facts_qa", "summary_people", "nli_places"]
    for chosen in by_set.values():
        assert chosen == [("base", 2, "default"), ("quick", 0, "default")]
    tuned = [cell for cell in found if cell.variant.recipe == "quick"]
    assert {cell.variant.seed for cell in tuned} == {0}
    # Of two prediction methods the first by PREDICTION_ORDER.
    assert {cell.prediction for cell in found if cell.eval_set == "facts_qa"} == {"likelihood"}


def test_a_study_has_few_examples() -> None:
    found = cells_of(DEMO)
    sets = {cell.eval_set for cell in found}
    assert len(sets) == MOST_SETS
    assert MOST_SETS < len(found) <= 2 * MOST_SETS
    resolved = load_study(DEMO, ROOT, "study.yaml")
    tasks = {dataset.task for dataset in resolved.datasets.values()}
    assert len({resolved.datasets[name].task for name in sets}) >= min(MOST_SETS, len(tasks) - 1)


def test_without_tuned_models_the_examples_are_those_of_base() -> None:
    blocks = [block for block in SMOKE["blocks"] if block["recipes"] == ["base"]]
    found = cells_of({**SMOKE, "blocks": blocks})
    assert {cell.variant.recipe for cell in found} == {"base"}
    assert {cell.variant.step for cell in found} == {40}
    assert len(found) == 4


def test_without_base_the_examples_are_those_of_tuned_models() -> None:
    found = cells_of({**SMOKE, "blocks": [SMOKE["blocks"][2]]})
    assert {cell.variant.recipe for cell in found} == {"quick"}


def test_the_reports_inputs_are_records_and_the_items_that_models_were_shown() -> None:
    jobs = Jobs(load_study(SMOKE, ROOT, "study.yaml"), "study.yaml")
    files = jobs.report.example_files()
    records = [file for file in files if "/cells/" in file]
    assert len(records) == 8
    items = {file.split("/")[3] for file in files if file.endswith("items.parquet")}
    # nli_places is shown demonstrations of nli_people.
    assert items == {"nli_people", "nli_places", "facts_qa", "summary_people"}
