"""Edits of a study's inputs: rows, a corpus, the files of local checkpoints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from edited.edits.edit import CHECKPOINTS, SCORED, Do, Edit, all_of
from edited.sources import STEPS, plant, relation
from edited.world import World

TUNED = "evaluate .*/(whole|adapter)/"


def _rows(name: str, change: Callable[[list[dict[str, Any]]], None]) -> Do:
    """Change the rows of a file in place."""

    def do(world: World) -> None:
        path = world.folder / "own" / "rows" / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        change(rows)
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    return do


def _json(step: int, name: str, change: Callable[[dict[str, Any]], None]) -> Do:
    """Change a JSON file of a local checkpoint in place."""

    def do(world: World) -> None:
        path = _checkpoint(world, step) / name
        described = json.loads(path.read_text(encoding="utf-8"))
        change(described)
        path.write_text(json.dumps(described, indent=2), encoding="utf-8")

    return do


def _checkpoint(world: World, step: int) -> Path:
    return world.folder / "own" / "checkpoints" / f"step{step}"


def _end_with(rows: list[dict[str, Any]], field: str, words: str) -> None:
    for row in rows:
        row[field] += words


def _turn(config: dict[str, Any]) -> None:
    config["rope_parameters"]["rope_theta"] = 3.0


def _forget_merges(tokenizer: dict[str, Any]) -> None:
    del tokenizer["model"]["merges"][-20:]


def _sample(config: dict[str, Any]) -> None:
    config["temperature"] = 0.5


def _new_weights(world: World) -> None:
    path = _checkpoint(world, 4) / "model.safetensors"
    weights = load_file(path)
    name = "model.layers.0.mlp.up_proj.weight"
    save_file({**weights, name: -weights[name]}, path, metadata={"format": "pt"})


def _note(world: World) -> None:
    (_checkpoint(world, 4) / "README.md").write_text("# A note\n", encoding="utf-8")


def _corpus(world: World) -> None:
    path = world.folder / "own" / "corpus.txt"
    path.write_text(f"A new beginning.\n\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


#: Jobs that another model at a local checkpoint changes.
KEPT_4 = ("verify kept/4", "tune kept/4", "evaluate kept/4", *CHECKPOINTS, *SCORED)
KEPT_2_FOLLOWS = ("encode .*/kept/", "tune kept/", "evaluate kept/", *SCORED)

GIVEN = (
    Edit(
        "an evaluated row is changed",
        _rows("relations", lambda rows: _end_with(rows[:1], "second", " It rained.")),
        ("freeze relations", "evaluate", "overlaps", "datasets", *SCORED),
        ("encode", "tune"),
        trains=(),
        topic="relations",
    ),
    Edit(
        "an evaluated row is added",
        _rows("plants", lambda rows: rows.append(plant("more", 1))),
        ("freeze plants", "evaluate .*/base", "overlaps", "datasets", *SCORED),
    ),
    Edit(
        "an evaluated row is removed",
        _rows("notices", lambda rows: rows.pop()),
        ("freeze notices", "evaluate .*/(base|whole)", "overlaps", "datasets", *SCORED),
    ),
    Edit(
        "training rows are changed",
        _rows("relations_train", lambda rows: _end_with(rows, "first", " It rained.")),
        ("freeze relations", "encode", "tune", TUNED, "overlaps", "datasets", *SCORED),
        ("evaluate",),
        topic="training rows",
    ),
    Edit(
        "training rows are added",
        _rows("relations_train", lambda rows: rows.extend(relation("more", n) for n in range(9))),
        ("freeze relations", "encode", "tune", TUNED, "overlaps", "datasets", *SCORED),
        ("evaluate",),
        topic="training rows",
    ),
    Edit(
        "a paragraph of the corpus is added",
        _corpus,
        (
            *("corpus", "pretrain", "encode .*/grown/", "tune grown/", "evaluate grown/"),
            *(*CHECKPOINTS, *SCORED),
        ),
    ),
    Edit("config.json of a tuned checkpoint", _json(4, "config.json", _turn), KEPT_4),
    Edit(
        "config.json of a checkpoint that is not tuned",
        _json(2, "config.json", _turn),
        ("verify kept/2", "evaluate kept/2", *CHECKPOINTS, *SCORED),
        KEPT_2_FOLLOWS,
        trains=(),
    ),
    Edit(
        "tokenizer.json of all local checkpoints",
        all_of(*(_json(step, "tokenizer.json", _forget_merges) for step in STEPS)),
        (
            *("verify kept/", "encode .*/kept/", "tune kept/", "evaluate kept/"),
            *(*CHECKPOINTS, *SCORED),
        ),
    ),
    Edit("weights of a tuned checkpoint", _new_weights, KEPT_4),
    Edit(
        "generation_config.json of a tuned checkpoint",
        _json(4, "generation_config.json", _sample),
        may=KEPT_4,
        trains=("tune kept/4",),
    ),
    Edit("a note next to a checkpoint", _note, may=KEPT_4, trains=()),
)
