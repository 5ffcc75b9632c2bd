"""Prompts made again without a tokenizer are those that a model was shown, or none at all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic import refuse
from tiny import pair, request, tiny_encoder

from tuning_dynamics.common.atomic_files import text_digest
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.evaluate import cell as evaluation
from tuning_dynamics.evaluate.prompts import make_prompts
from tuning_dynamics.report import prompts
from tuning_dynamics.report.prompts import CellAnswers

LABELS = ("entailment", "neutral", "contradiction")
ITEMS = [pair(number, "evaluation", LABELS[number % 3]) for number in range(4)]
LENT = [pair(number, "demonstration", LABELS[number % 3]) for number in range(5)]


def write_cell(
    folder: Path, items: Sequence[Item] = ITEMS, context: int = 256, **changes: Any
) -> Path:
    """Records of a cell as an evaluation writes them, with made-up answers: always the first label;
    below results/study/."""
    study = folder / "results/study"
    (study / "data/nli").mkdir(parents=True, exist_ok=True)
    path = study / "toy/10/base/cells/nli/default/0shot/token_prob.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_items(study / "data/nli/items.parquet", [*items, *LENT])
    frozen = "results/study/data/nli/items.parquet"
    shots = {"demonstrations": str(folder / frozen)} if changes.get("shots") else {}
    asked = request(folder / frozen, path, **{**shots, **changes})
    rows = [
        {
            "item": made.item.item,
            "context": made.item.context,
            "prompt_digest": text_digest(made.text),
            "truncated": made.truncated,
            "prediction": LABELS[0],
            "gold": made.item.gold,
            "option_scores": [-1.0, -2.0, -3.0],
        }
        for made in make_prompts(asked, list(items), tiny_encoder(), context)
    ]
    held = {**asked.key(), "items": frozen, "demonstrations": frozen if shots else ""}
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["item"])))
    table = table.replace_schema_metadata({evaluation.REQUEST_KEY: json.dumps(held)})
    pq.write_table(table, path)
    return path


def texts(items: Sequence[Item], context: int = 256, **changes: Any) -> dict[str, str]:
    """The prompts that a model is shown, by item."""
    asked = request(Path("items.parquet"), Path("out.parquet"), **changes)
    made = make_prompts(asked, list(items), tiny_encoder(), context)
    return {one.item.item: one.text for one in made}


def test_the_request_is_read_from_where_the_evaluation_writes_it() -> None:
    assert evaluation.REQUEST_KEY.encode() == prompts.REQUEST_KEY


@pytest.mark.parametrize("shots", [0, 1, 3])
def test_a_prompt_is_the_text_that_the_model_was_shown(tmp_path: Path, shots: int) -> None:
    answers = CellAnswers(write_cell(tmp_path, shots=shots))
    lent = {"demonstrations": str(answers.path.parents[7] / "data/nli/items.parquet")}
    shown = texts(ITEMS, shots=shots, **(lent if shots else {}))
    for name, text in shown.items():
        prompt = answers.answered(name).prompt
        assert prompt is not None
        assert prompt.text == text
        assert prompt.own == text.split("\n\n")[-1]
        assert prompt.demonstrations == "\n\n".join(text.split("\n\n")[:-1])


def test_an_answer_has_its_right_answers_and_the_options_scores(tmp_path: Path) -> None:
    answered = CellAnswers(write_cell(tmp_path)).answered(ITEMS[1].item)
    assert (answered.prediction, answered.gold) == ("entailment", ["neutral"])
    assert answered.options == list(zip(LABELS, (-1.0, -2.0, -3.0), strict=True))


def test_what_was_left_out_to_fit_is_left_out(tmp_path: Path) -> None:
    long = [pair(1, words=300), pair(2, words=120)]
    answers = CellAnswers(write_cell(tmp_path, long, context=200, shots=2, truncation="input"))
    cut, shorter = (answers.answered(item.item) for item in long)
    assert cut.truncated
    assert cut.prompt is not None
    assert cut.prompt.demonstrations == ""
    assert cut.prompt.own.count("river") < 200
    assert cut.prompt.own.endswith("### Inference:")
    assert shorter.truncated
    assert shorter.prompt is not None
    assert shorter.prompt.demonstrations.count("### Inference:") < 2


def test_a_text_that_spells_a_special_token_is_shown_as_it_is(tmp_path: Path) -> None:
    fields = {**ITEMS[0].fields, next(iter(ITEMS[0].fields)): "see <|endoftext|> here"}
    spelled = Item("special", "evaluation", "c", fields, ["neutral"])
    prompt = CellAnswers(write_cell(tmp_path, [spelled, ITEMS[1]])).answered("special").prompt
    assert prompt is not None
    assert "see <|endoftext|> here" in prompt.text


def test_a_prompt_of_other_items_is_not_shown(tmp_path: Path) -> None:
    path = write_cell(tmp_path)
    other = [pair(number + 50, "evaluation", item.target) for number, item in enumerate(ITEMS)]
    renamed = [
        Item(item.item, "evaluation", "c", new.fields, item.gold)
        for item, new in zip(ITEMS, other, strict=True)
    ]
    write_items(path.parents[7] / "data/nli/items.parquet", renamed)
    assert CellAnswers(path).answered(ITEMS[0].item).prompt is None
    write_items(path.parents[7] / "data/nli/items.parquet", renamed[:1])
    assert CellAnswers(path).answered(ITEMS[1].item).prompt is None


def test_a_study_that_was_moved_reads_its_own_items(tmp_path: Path) -> None:
    path = write_cell(tmp_path, shots=2)
    moved = (tmp_path / "results/study").rename(tmp_path / "elsewhere")
    answers = CellAnswers(moved / path.relative_to(tmp_path / "results/study"))
    assert all(answers.answered(item.item).prompt for item in ITEMS)


def test_an_unknown_item_and_a_refused_cell_are_errors(tmp_path: Path) -> None:
    path = write_cell(tmp_path)
    with pytest.raises(StudyError, match="no such item"):
        CellAnswers(path).answered("nobody")
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    with pytest.raises(StudyError, match="do not say what they answer"):
        CellAnswers(path)
    refuse(path, "too long\n  file: x")
    with pytest.raises(StudyError, match="the cell was refused: too long"):
        CellAnswers(path)
