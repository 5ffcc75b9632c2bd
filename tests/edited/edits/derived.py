"""Edits of what a run made: files that are deleted, changed by hand, or swapped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from edited.edits.edit import CHECKPOINTS, CONFIGURED, SCORED, Do, Edit, remove
from edited.world import World, touch_all

CELL = "cells/relations/default/0shot/token_prob.parquet"
#: Rules that read the items of the train set.
READS_ITEMS = ("encode", "tune", "evaluate", "overlaps", "datasets", *SCORED)


def _deleted(
    name: str, pattern: str, *must: str, may: tuple[str, ...] = (), topic: str = ""
) -> Edit:
    """A result of the study is deleted: the job that made it makes it again, and no other."""
    return Edit(f"{name} is deleted", remove(pattern), must, may, topic=topic)


def _passed_on(
    name: str, pattern: str, *may: str, trains: tuple[str, ...] = (), topic: str = ""
) -> Edit:
    """An intermediate file is deleted: it may be made again, now or when it is needed."""
    return Edit(f"{name} is deleted", remove(pattern), may=may, trains=trains, topic=topic)


def _by_hand(file: str, old: str, new: str) -> Do:
    """Change a text of the results."""

    def do(world: World) -> None:
        path = world.result(file)
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return do


def _lose_a_row(world: World) -> None:
    path = world.result("data/relations/items.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def _other_score(world: World) -> None:
    """Give the first cell of scores.csv another score, as a typing error would."""
    path = world.result("tables/scores.csv")
    head, first, *rest = path.read_text(encoding="utf-8").splitlines()
    values = first.split(",")
    values[head.split(",").index("score")] = "0.987"
    path.write_text("\n".join([head, ",".join(values), *rest, ""]), encoding="utf-8")


def _swap_cells(world: World) -> None:
    ours, theirs = (world.result(f"kept/{step}/base/{CELL}") for step in (2, 4))
    kept = theirs.read_bytes()
    theirs.write_bytes(ours.read_bytes())
    ours.write_bytes(kept)


def _other_loss(world: World) -> None:
    path = world.result("kept/4/checkpoint/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "text_loss": 1.0}, indent=1), encoding="utf-8")


def _end_tokens_early(world: World) -> None:
    path = world.result("data/relations/tokens/kept/default.arrow")
    path.write_bytes(path.read_bytes()[:-64])


def _touched(world: World) -> None:
    touch_all(world.folder)


def _copied(world: World) -> None:
    """Continue in a copy of the whole checkout, whose files are all new."""
    world.repository = world.repository.copy(_sibling(world, "copied"))


def _moved(world: World) -> None:
    """Continue under another name of the checkout."""
    place = _sibling(world, "moved")
    world.folder.rename(place)
    world.repository = replace(world.repository, folder=place)


def _alone(world: World) -> None:
    """Continue in a fresh clone with the study's results and nothing else."""
    clone = world.repository.copy(_sibling(world, "alone"), results=False)
    shutil.copytree(world.results, clone.folder / "results" / world.results.name)
    world.repository = clone


def _sibling(world: World, name: str) -> Path:
    return world.folder.with_name(f"{world.folder.name}_{name}")


def _without_metadata(world: World) -> None:
    shutil.rmtree(world.folder / ".snakemake", ignore_errors=True)


DELETED = (
    _deleted(
        *("a cell", f"kept/4/base/{CELL}", "evaluate kept/4/base"), may=SCORED, topic="a cell"
    ),
    _deleted(
        "a tuned model's cell",
        f"kept/4/adapter/relations/seed0/{CELL}",
        "evaluate kept/4/adapter/",
        may=SCORED,
    ),
    _deleted(
        "a tuned model's manifest",
        "grown/4/whole/relations/seed0/manifest.json",
        "tune grown/4/whole/",
        may=("evaluate grown/4/whole/", *SCORED),
    ),
    _deleted(
        "a tuned model's folder of weights",
        "fetched/4/whole/relations/seed0/weights",
        "tune fetched/4/whole/",
        may=("evaluate fetched/4/whole/", *SCORED),
    ),
    _passed_on(
        "a tuned model's metrics",
        "kept/4/adapter/relations/seed0/metrics.json",
        *("tune kept/4/adapter/", "evaluate kept/4/adapter/", *SCORED),
        trains=("tune kept/4/adapter/",),
    ),
    _passed_on(
        "a local checkpoint's manifest",
        "kept/4/checkpoint/manifest.json",
        *("verify kept/4", "tune kept/4", "evaluate kept/4", *CHECKPOINTS, *SCORED),
        topic="a manifest",
    ),
    _deleted(
        "a pre-trained checkpoint's folder of weights",
        "grown/4/checkpoint/weights",
        "pretrain grown/4",
        may=("tune grown/4", "evaluate grown/4", *CHECKPOINTS, *SCORED),
    ),
    _passed_on(
        "a download's record",
        "fetched/4/checkpoint/download.json",
        *("download fetched/4", "verify fetched/4", "tune fetched/4", "evaluate fetched/4"),
        *(*CHECKPOINTS, *SCORED),
    ),
    _passed_on(
        "items.parquet",
        "data/relations/items.parquet",
        *("freeze relations", *READS_ITEMS),
        topic="items.parquet",
    ),
    _passed_on(
        "a file of tokens",
        "data/relations/tokens/kept/default.arrow",
        *("encode relations/kept", "tune kept/", "evaluate kept/4/(whole|adapter)/", *SCORED),
        topic="tokens",
    ),
    _deleted("scores.csv", "tables/scores.csv", "scores", may=SCORED, topic="scores.csv"),
    _deleted("findings.csv", "tables/findings.csv", "findings", may=("cost", "report")),
    _deleted("checkpoints.csv", "tables/checkpoints.csv", "checkpoints", may=CHECKPOINTS),
    _deleted("a figure", "figures/kept/base_by_checkpoint.svg", "figures", may=("cost", "report")),
    _deleted("the report", "report.html", "report", topic="report.html"),
    _deleted(
        *("the merged config", "config.yaml", "merged_config"), may=CONFIGURED, topic="config.yaml"
    ),
)

BY_HAND = (
    Edit(
        "the merged config is edited",
        _by_hand("config.yaml", "text_tokens: 6", "text_tokens: 400"),
        ("merged_config",),
        CONFIGURED,
        topic="config.yaml",
    ),
    Edit("scores.csv is edited", _other_score, ("scores",), SCORED, topic="scores.csv"),
    Edit(
        "the report is edited",
        _by_hand("report.html", "<footer>", "<footer>!"),
        ("report",),
        topic="report.html",
    ),
    Edit(
        "items.parquet loses a row",
        _lose_a_row,
        ("freeze relations",),
        READS_ITEMS,
        trains=(),
        topic="items.parquet",
    ),
    Edit(
        "a file of tokens is cut short",
        _end_tokens_early,
        ("encode relations/kept",),
        ("tune kept/", "evaluate kept/4/(whole|adapter)/", *SCORED),
        trains=(),
        topic="tokens",
    ),
    Edit("two cells are swapped", _swap_cells, ("evaluate kept/./base",), SCORED, topic="a cell"),
    Edit(
        "a checkpoint's manifest is edited",
        _other_loss,
        ("verify kept/4",),
        ("tune kept/4", "evaluate kept/4", *CHECKPOINTS, *SCORED),
        trains=(),
        topic="a manifest",
    ),
)

PLACES = (
    Edit("all files get new times", _touched, topic="place"),
    Edit("the checkout is copied", _copied, topic="place"),
    Edit("the checkout is moved", _moved, topic="place"),
    Edit("the study's folder is copied alone", _alone, topic="place"),
    Edit("Snakemake's own folder is deleted", _without_metadata),
)
