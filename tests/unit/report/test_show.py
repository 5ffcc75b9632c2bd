"""Examples of a cell, and what `snakemake show` prints of one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from synthetic import refuse
from unit.report.test_prompts import ITEMS, LABELS, write_cell

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import dump_merged, load_study, read_yaml
from tuning_dynamics.grid.show_request import ShownCell, check_shown, shown_cell
from tuning_dynamics.report.examples import cell_examples, chosen_items, clipped
from tuning_dynamics.report.prompts import CellAnswers
from tuning_dynamics.report.show import shown_text
from tuning_dynamics.run.parts import settings

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "tests/smoke/study.yaml"


def row(path: Path, **changes: Any) -> dict[str, Any]:
    return {
        **{"family": "toy", "checkpoint": "10", "recipe": "base", "train_set": "", "seed": None},
        **{"eval_set": "nli", "shots": 0, "metric": "accuracy", "path": str(path)},
        **changes,
    }


def test_examples_are_the_first_right_and_wrong_ones(tmp_path: Path) -> None:
    found = cell_examples(row(write_cell(tmp_path)))
    assert (found.model, found.shots) == ("toy 10, not tuned", "no demonstrations")
    # Always `entailment`, which is right for the items 0 and 3.
    assert [(one.item, one.verdict) for one in found.examples] == [
        ("evaluation000", "right"),
        ("evaluation003", "right"),
        ("evaluation001", "wrong"),
        ("evaluation002", "wrong"),
    ]
    first = found.examples[0]
    assert (first.answer, first.gold) == ("entailment", "entailment")
    assert first.prompt is not None
    assert first.prompt.endswith("### Inference:")
    tuned = cell_examples(
        row(write_cell(tmp_path), recipe="full", train_set="nli_people", seed=1, shots=1)
    )
    assert tuned.model == "toy 10, full, tuned on nli_people, seed 1"
    assert tuned.shots == "1 demonstration"


def test_graded_answers_are_the_best_and_the_worst(tmp_path: Path) -> None:
    path = write_cell(tmp_path)
    table = pq.read_table(path)
    said = ["a b c d", "a b x y", "a x y z", "p q r s"]
    column = table.schema.get_field_index("prediction")
    table = table.set_column(column, "prediction", [said])
    gold = table.schema.get_field_index("gold")
    pq.write_table(table.set_column(gold, "gold", [[["a b c d"]] * 4]), path)
    items = chosen_items(CellAnswers(path), "rouge_l")
    assert [items.scores[name] for name in items.names] == pytest.approx([1, 0.5, 0, 0.25])
    assert not items.binary
    assert items.verdict(items.names[1]) == "score 0.500"
    assert items.mean == pytest.approx(np.mean([1, 0.5, 0, 0.25]))


def test_an_item_is_no_example_twice_and_right_ones_are_not_made_up(tmp_path: Path) -> None:
    path = write_cell(tmp_path, [ITEMS[1], ITEMS[2]])
    items = chosen_items(CellAnswers(path), "accuracy")
    assert (items.best, items.worst) == ([], ["evaluation001", "evaluation002"])
    items = chosen_items(CellAnswers(write_cell(tmp_path, [ITEMS[0], ITEMS[3]])), "accuracy")
    assert (items.best, items.worst) == (["evaluation000", "evaluation003"], [])


def test_a_refused_cell_says_why(tmp_path: Path) -> None:
    path = write_cell(tmp_path)
    refuse(path, "item 3 has no right answer\n  file: x")
    found = cell_examples(row(path))
    assert (found.refused, list(found.examples)) == ("item 3 has no right answer", [])


def test_a_long_text_says_how_much_of_it_is_left_out() -> None:
    assert clipped("a" * 10, 10) == "a" * 10
    assert clipped("a" * 1500 + "b" * 1500, 700) == (
        "a" * 350 + " [… 2,300 characters …] " + "b" * 350
    )


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the records of one cell, of a set of the smoke study, and that study's merged
    config."""
    path = write_cell(tmp_path, eval_set="nli_people", shots=1)
    merged = load_study(read_yaml(SMOKE), ROOT, "study.yaml").model_dump(mode="json")
    (path.parents[7] / "config.yaml").write_text(dump_merged(merged), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path.relative_to(tmp_path)


def test_a_cell_is_shown_with_prompts_answers_and_scores(study: Path) -> None:
    text = shown_text(ShownCell(str(study)))
    head, *items = text.split("\n\n=== item ")
    assert head == (
        f"{study}: nli_people, classification by constrained, 1 demonstration, 4 items, "
        "mean accuracy 0.500"
    )
    assert [one.splitlines()[0] for one in items] == [
        "evaluation000: right",
        "evaluation003: right",
        "evaluation001: wrong",
        "evaluation002: wrong",
    ]
    prompt, rest = items[2].split("\n--- answer\n")
    assert prompt.count("### Inference:") == 2
    assert prompt.endswith("### Inference:")
    assert rest.splitlines() == [
        "entailment",
        "--- right answers",
        "neutral",
        "--- options and their scores",
        "entailment     -1.0000",
        "neutral        -2.0000",
        "contradiction  -3.0000",
    ]


def test_one_item_is_shown_by_its_id(study: Path) -> None:
    text = shown_text(ShownCell(str(study), "evaluation002"))
    assert text.count("=== item") == 1
    assert "=== item evaluation002: wrong" in text
    with pytest.raises(StudyError, match="no such item"):
        shown_text(ShownCell(str(study), "evaluation9"))


def test_a_prompt_that_is_unknown_is_said_to_be(study: Path) -> None:
    table = pq.read_table(study)
    place = table.schema.get_field_index("prompt_digest")
    pq.write_table(table.set_column(place, "prompt_digest", [["0" * 16] * 4]), study)
    assert "(unknown: no text" in shown_text(ShownCell(str(study), "evaluation000"))


def test_records_without_their_study_are_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "results/study/config.yaml").unlink()
    with pytest.raises(StudyError, match="lie in no study's folder"):
        shown_text(ShownCell(str(study)))


@pytest.mark.parametrize(
    ("given", "name", "same"),
    [
        ("0a1b", "0a1b", True),
        (12, "0000000000000012", True),
        (12, "0000000000000013", False),
        (1.2e10, "12e9", True),
        ("12", "0012", False),
        (True, "entailment", False),
    ],
)
def test_ids_of_digits_are_found_although_snakemake_reads_numbers(
    given: Any, name: str, *, same: bool
) -> None:
    assert ShownCell("x", given).is_item(name) is same


def test_the_cell_is_no_setting_of_a_study() -> None:
    config = {"study": "mine", "cell": "results/mine/a/b.parquet", "item": 3}
    found = shown_cell(config)
    assert found.asked
    assert found.log == "results/mine/logs/show/all.log"
    assert settings(config) == {"study": "mine"}
    assert not shown_cell({"study": "mine"}).asked
    assert ShownCell("b.parquet").log == ""


def test_a_missing_cell_is_refused_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no cell is named") as caught:
        check_shown(ShownCell(None))
    assert "snakemake show --config cell=PATH" in str(caught.value)
    with pytest.raises(StudyError, match="no such records"):
        check_shown(ShownCell(str(tmp_path / "none.parquet")))


def test_labels_of_the_request_are_the_options(study: Path) -> None:
    assert [word for word, _ in CellAnswers(study).answered("evaluation000").options] == [*LABELS]
    held = json.loads((pq.read_schema(study).metadata or {})[b"tuning_dynamics.request"])
    assert held["labels"] == [[label] for label in LABELS]
