"""Evaluating a variant: one load for the cells that are due, refusals as results, and its cost."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from tiny import pair, request, save_checkpoint

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError, UnavailableError, refused_reason
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.data.items import SCHEMA, write_items, write_refused
from tuning_dynamics.evaluate import variant
from tuning_dynamics.evaluate.cell import evaluate_cell
from tuning_dynamics.evaluate.model import load_for_evaluation
from tuning_dynamics.evaluate.request import CellRequest
from tuning_dynamics.evaluate.variant import due_cells, evaluate_variant
from tuning_dynamics.identity.records import Unit

KEY = "tiny/1/base"
CPU = Execution(device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with its manifest, and frozen items."""
    manifest = save_checkpoint(tmp_path / "checkpoint")
    write_json(manifest, {**read_json(manifest), "family": "tiny", "step": 1})
    write_items(tmp_path / "items.parquet", [pair(number) for number in range(6)])
    return tmp_path


class Cells:
    """Cells of one variant in a folder, and which of them were recorded as made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, list[str]()

    def asked(self, name: str, **changes: Any) -> tuple[CellRequest, Callable[[], None]]:
        """A cell that is due."""
        changes = dict(changes)
        items = changes.pop("items", self.folder / "items.parquet")
        cell = request(items, self.folder / f"{name}.parquet", **changes)
        return cell, lambda: self.made.append(name)

    def evaluate(self, *due: tuple[CellRequest, Callable[[], None]], key: str = KEY) -> Any:
        """What making these cells took."""
        evaluate_variant(
            key,
            list(due),
            manifest=self.folder / "checkpoint" / "manifest.json",
            metrics=self.folder / "evaluation.json",
            execution=CPU,
        )
        return read_json(self.folder / "evaluation.json")


def reason(path: Path) -> str | None:
    return refused_reason(pq.read_schema(path).metadata)


@pytest.fixture
def cells(folder: Path) -> Cells:
    return Cells(folder)


def test_cells_are_made_with_one_load_and_are_those_of_a_model_alone(cells: Cells) -> None:
    methods = ("constrained", "token_prob", "free")
    cost = cells.evaluate(*(cells.asked(name, prediction=name) for name in methods))
    assert cells.made == list(methods)
    assert (cost["stage"], cost["job"], cost["loads"], cost["cells"]) == ("evaluate", KEY, 1, 3)
    assert cost["tokens"] > 0
    assert cost["seconds"] > cost["load_seconds"] > 0
    model = load_for_evaluation(cells.folder / "checkpoint/manifest.json", torch.device("cpu"))
    for name in methods:
        own = request(cells.folder / "items.parquet", cells.folder / "own", prediction=name)
        evaluate_cell(model, own)
        assert (cells.folder / f"{name}.parquet").read_bytes() == Path(own.out).read_bytes()


def test_what_a_variant_took_adds_up_over_its_runs(cells: Cells) -> None:
    first = cells.evaluate(cells.asked("one"))
    both = cells.evaluate(cells.asked("two"))
    assert (both["loads"], both["cells"]) == (2, 2)
    assert both["tokens"] == 2 * first["tokens"]
    assert both["seconds"] > first["seconds"]
    (cells.folder / "evaluation.json").write_text("{half")
    assert cells.evaluate(cells.asked("three"))["cells"] == 1


def test_nothing_is_loaded_where_nothing_is_due(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant, "load_for_evaluation", None)
    cost = cells.evaluate()
    assert (cost["loads"], cost["cells"], cost["gpu"]) == (0, 0, "")


def test_a_cell_that_is_refused_says_so_and_costs_no_other(cells: Cells) -> None:
    alike = {"prediction": "token_prob", "labels": ("neutral", "neutral x")}
    cost = cells.evaluate(cells.asked("one"), cells.asked("no", **alike), cells.asked("two"))
    assert cells.made == ["one", "no", "two"]
    assert cost["cells"] == 3
    assert "begin with the same token" in str(reason(cells.folder / "no.parquet"))
    assert pq.read_table(cells.folder / "no.parquet").num_rows == 0
    assert reason(cells.folder / "two.parquet") is None
    assert pq.read_table(cells.folder / "two.parquet").num_rows == 6


def test_a_set_that_was_refused_is_refused_in_its_words(cells: Cells) -> None:
    write_refused(cells.folder / "bad.parquet", SCHEMA, "row 7 has no label")
    cells.evaluate(cells.asked("no", items=cells.folder / "bad.parquet"))
    assert reason(cells.folder / "no.parquet") == "row 7 has no label"


def test_items_that_cannot_be_read_end_the_job(cells: Cells) -> None:
    (cells.folder / "bad.parquet").write_bytes(b"PAR1 no more")
    bad = cells.asked("no", items=cells.folder / "bad.parquet")
    with pytest.raises(UnavailableError, match="cannot be read"):
        cells.evaluate(cells.asked("one"), bad)
    assert cells.made == ["one"]
    assert not (cells.folder / "no.parquet").exists()


def test_a_variant_whose_train_set_was_refused_has_refused_cells(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant, "load_for_evaluation", None)
    manifest = cells.folder / "checkpoint" / "manifest.json"
    write_json(manifest, {**read_json(manifest), "refused": "nothing to learn"})
    cells.evaluate(cells.asked("one"), cells.asked("two"))
    assert cells.made == ["one", "two"]
    assert reason(cells.folder / "two.parquet") == "nothing to learn"


def test_the_weights_of_another_variant_are_refused(cells: Cells) -> None:
    with pytest.raises(StudyError, match="the weights are another variant's") as error:
        cells.evaluate(cells.asked("one"), key="tiny/2/base")
    assert error.value.value == {"asked for": "tiny/2/base", "found": KEY}
    manifest = cells.folder / "checkpoint" / "manifest.json"
    write_json(manifest, {**read_json(manifest), "variant": "tiny/1/full/a/seed0"})
    with pytest.raises(StudyError, match="the weights are another variant's"):
        cells.evaluate(cells.asked("one"))
    assert cells.made == []
    cells.evaluate(cells.asked("one"), key="tiny/1/full/a/seed0")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_files_of_a_model_that_changed_are_refused(cells: Cells, name: str) -> None:
    file = cells.folder / "checkpoint" / name
    if file.suffix == ".json":
        file.write_text(file.read_text() + "\n")
    else:
        file.write_bytes(file.read_bytes()[:-4] + b"\x00\x00\x80\x3f")
    with pytest.raises(StudyError, match="do not match the manifest") as error:
        cells.evaluate(cells.asked("one"))
    assert error.value.key == name
    assert cells.made == []


def test_the_cells_of_a_job_are_those_that_are_due(folder: Path) -> None:
    asked = vars(request(folder / "items.parquet", folder / "x"))
    given = ("items", "demonstrations", "out")
    spec = json.dumps({name: value for name, value in asked.items() if name not in given})
    entry = {"spec": spec, "items": str(folder / "items.parquet"), "demonstrations": ""}
    made: list[str] = []
    job = SimpleNamespace(
        view=SimpleNamespace(
            params={"cells": json.dumps([entry, entry])}, outputs=["one", "two", "evaluation.json"]
        ),
        due=[Unit({name: ""}, {}, "", {}) for name in ("two", "evaluation.json")],
        made=lambda unit: made.append(unit.name),
    )
    ((cell, record),) = due_cells(job)
    assert (cell.out, cell.items) == ("two", str(folder / "items.parquet"))
    record()
    assert made == ["two"]
