"""A study that is edited and run again has the tables of a fresh run, and makes no more than that.

A sample of what `benchmarks/incremental.py` tries, on a smaller study. What edits may plan is
written by hand (`tests/edited/edits`).
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from edited.edits import EDITS, OF_SOURCES, Edit
from edited.expected import BRIEF, TARGETS, wrongly_planned
from edited.sources import write_sources
from edited.world import World, differing, now, restore
from hub.server import Hub
from repository import Repository, clone

STUDY = "own/brief.yaml"
#: Folders and files that edits of the study's files, settings and code change.
SOURCES = ("own", "config", "workflow/scripts")


class Finished(NamedTuple):
    """The finished study, and its outcome; `begin` gives a copy to edit in its place."""

    begin: Callable[[], World]
    outcome: dict[str, str]
    snapshot: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The study run once, with its hub."""
    folder = tmp_path_factory.mktemp("edited")
    write_sources(folder / "sources")
    case, snapshot = folder / "case", folder / "snapshot"
    with Hub(folder / "sources" / "hub") as hub:
        clone(case / "clone", STUDY)
        shutil.copytree(folder / "sources" / "own", case / "clone" / "own")
        repository = Repository(case / "clone", STUDY, hub.environment(case / "home"))
        repository.succeed(*TARGETS)
        restore(case, snapshot)

        def begin() -> World:
            restore(snapshot, case)
            return World(repository)

        yield Finished(begin, World(repository).outcome(), snapshot / "clone")


@pytest.mark.parametrize(
    "names",
    [
        ("template of what is tuned on", "code of prompts"),
        ("learning rate", "a checkpoint of the hub joins"),
        ("accuracy", "code that lists revisions"),
        ("text of a checkpoint's loss",),
        ("the study's folder is copied alone", "tokenizer.json of all local checkpoints"),
    ],
    ids=" and ".join,
)
def test_edits_plan_what_they_change_and_no_more(
    finished: Finished, names: tuple[str, ...]
) -> None:
    world, edits = finished.begin(), [EDITS[name] for name in names]
    for edit in edits:
        edit.do(world)
    planned, _ = world.plan(*TARGETS)
    assert wrongly_planned(planned, edits, BRIEF) == []


@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
def test_edits_of_the_benchmark_can_be_done(tmp_path: Path, place: int) -> None:
    """Edits of one topic exclude each other: the first of each topic, then the second."""
    by_topic: dict[str, list[Edit]] = {}
    for edit in OF_SOURCES:
        by_topic.setdefault(edit.subject, []).append(edit)
    chosen = [edits[place] for edits in by_topic.values() if place < len(edits)]
    write_sources(tmp_path)
    clone(tmp_path / "clone", "own/study.yaml")
    shutil.move(tmp_path / "own", tmp_path / "clone" / "own")
    world = World(Repository(tmp_path / "clone", "own/study.yaml"))
    for edit in chosen:
        edit.do(world)


def test_edits_and_their_undoing_end_in_the_tables_of_a_fresh_run(finished: Finished) -> None:
    """The files are those of the finished study in the end, so that it is the fresh run."""
    world, since = finished.begin(), now()
    EDITS["config.json of a tuned checkpoint"].do(world)
    EDITS["template of multiple choice"].do(world)
    world.repository.succeed(*TARGETS)
    changed = differing(world.outcome(), finished.outcome)
    cells = {name for name in finished.outcome if name.startswith("kept/4/base/cells/")}
    assert {"tables/checkpoints.csv", *cells} <= set(changed)

    for part in SOURCES:
        shutil.rmtree(world.folder / part)
        shutil.copytree(
            finished.snapshot / part, world.folder / part, copy_function=shutil.copyfile
        )
    world.repository.succeed(*TARGETS)
    assert differing(world.outcome(), finished.outcome) == []
    assert world.trained(since) == set()
