"""Checks of the flaws in the release's data and downloads, and how to remove their guards."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub import samples

from tuning_dynamics.checkpoints import revisions
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.config.family import Spacing, Steps, parse_steps
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.data import freeze
from tuning_dynamics.data import parse_rows as rows
from tuning_dynamics.data.dedup import Screen
from tuning_dynamics.data.items import read_items
from tuning_dynamics.grid import grid

ROOT = Path(__file__).parents[2]

PAIR: dict[str, Any] = {
    "task": "paraphrase",
    "domain": "questions",
    "licence": "x",
    "fields": {"a": "question1", "b": "question2"},
    "gold": {"field": "label", "labels": {"1": "yes", "0": "no"}},
}
CHOICE: dict[str, Any] = {
    "task": "multiple_choice",
    "domain": "science",
    "licence": "x",
    "fields": {"question": "question"},
    "options": ["correct_answer", "distractor1", "distractor2", "distractor3"],
    "gold": {"field": "right", "positions": ["0"]},
}

#: The shape of OLMo-1B's series: dense, a hole of 212,000 steps, dense again.
HOLED = Steps(4_194_304, parse_steps(["1000..117000 by 1000", "330000..738000 by 1000"]))


def frozen(folder: Path, found: list[dict[str, Any]], dataset: dict[str, Any], kind: str) -> Path:
    """The items file of evaluation rows frozen with a dataset's description."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    spec = {
        "dataset": {**dataset, "source": {"files": {"evaluation": str(path)}}},
        "kind": kind,
        "seed": 0,
        "train_items": 100,
        "evaluation_items": None,
    }
    freeze.freeze_from_spec("x", spec, None, folder / "items.parquet", folder / "manifest.json")
    return folder / "items.parquet"


# --- 1: unlabelled splits ----------------------------------------------------------------------


def questions(label: int) -> list[dict[str, Any]]:
    """Rows like those of a split whose labels are all the same."""
    return [
        {"question1": f"How far is {n} ?", "question2": "How far is it ?", "label": label}
        for n in range(8)
    ]


def a_withheld_label_is_refused(folder: Path) -> None:
    with pytest.raises(StudyError, match="no label"):
        frozen(folder, questions(-1), PAIR, "classification")


def withheld_labels_read_as_no(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rows, "_label", lambda _, value, *__: "yes" if value == 1 else "no")
    one_label_is_fine(patch)


def one_label_for_all_is_refused(folder: Path) -> None:
    with pytest.raises(StudyError, match="same gold label"):
        frozen(folder, questions(0), PAIR, "classification")


def one_label_is_fine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Screen, "require_labels", lambda *_: None)


# --- 4: uneven checkpoints ---------------------------------------------------------------------


def checkpoints_are_even_in_tokens(_: Path) -> None:
    taken = Spacing(uniform=8).resolve(HOLED)
    last = HOLED.available[-1]
    for k in range(1, 9):
        asked = last * k / 8
        best = min(abs(step - asked) for step in HOLED.available)
        assert min(abs(step - asked) for step in taken) == best


def every_so_many_rows(patch: pytest.MonkeyPatch) -> None:
    def by_row(steps: Steps, step: float) -> int:
        share = step / steps.available[-1]
        return steps.available[round(share * (len(steps.available) - 1))]

    patch.setattr(Steps, "nearest", by_row)


def gaps_show(_: Path) -> None:
    assert HOLED.gaps() == [(117_000, 330_000)]


def gaps_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Steps, "gaps", lambda _: [])


# --- 8: training splits ------------------------------------------------------------------------


def a_training_split_needs_a_reason(folder: Path) -> None:
    (folder / "datasets").mkdir()
    hub = {"id": "a/b", "splits": {"evaluation": "train"}}
    dataset = yaml.safe_dump({**PAIR, "source": {"hub": hub}})
    (folder / "datasets" / "pairs.yaml").write_text(dataset, encoding="utf-8")
    block = {"family": "mini", "checkpoints": "last", "recipes": ["base"], "eval_sets": ["pairs"]}
    study = {"study": "x", "catalogue": ["config", str(folder)], "blocks": [block]}
    with pytest.raises(StudyError, match="a training split is evaluated"):
        grid.expand(load_study(study, ROOT, "x.yaml"), "x.yaml")


def any_split_will_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(grid, "_check_splits", lambda *_: None)


# --- 9: option order ---------------------------------------------------------------------------


def right_options_are_anywhere(folder: Path) -> None:
    found = [
        {
            "question": f"Which of these is {n} ?",
            "correct_answer": f"right {n}",
            **{f"distractor{k}": f"wrong {k} {n}" for k in (1, 2, 3)},
            "right": "0",
        }
        for n in range(60)
    ]
    items = read_items(frozen(folder, found, CHOICE, "multiple_choice"), "evaluation")
    places = [item.options.index(item.target) for item in items]
    for place in range(4):
        assert 5 <= places.count(place) <= 27


def options_in_the_rows_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(random.Random, "shuffle", lambda *_: None)


def described(name: str) -> dict[str, Any]:
    """The description of a shipped dataset."""
    return read_yaml(ROOT / "config" / "datasets" / f"{name}.yaml")


def a_question_is_asked_for_by_its_answer_alone(_: Path) -> None:
    sciq = Dataset.model_validate(described("sciq"))
    for row in [samples.sciq(number, "test") for number in range(12)]:
        if not row["support"]:
            continue  # left out of the set: nothing would say what to ask about
        item = rows.to_item(sciq, "generation", row, "evaluation", "row", "sciq.yaml", 0)
        assert row["correct_answer"] in item.fields.values()
        assert not {row[f"distractor{k}"] for k in (1, 2, 3)} & set(item.fields.values())


def all_options_are_shown(patch: pytest.MonkeyPatch) -> None:
    shown = described("sciq")
    fields = {**shown["fields"], "wrong": "distractor1"}
    patch.setattr(sys.modules[__name__], "described", lambda _: {**shown, "fields": fields})


# --- 12: downloads -----------------------------------------------------------------------------

NEVER = ("optimizer.pt", "training_args.bin", "scheduler.pt", "modeling_olmo.py", "onnx/model.onnx")


def downloads_are_what_a_run_needs(_: Path) -> None:
    assert revisions.wanted_file("model-00001-of-00002.safetensors")
    assert not [name for name in NEVER if revisions.wanted_file(name)]


def download_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(revisions, "wanted_file", lambda _: True)
