"""A run that is killed anywhere continues with the same command, to the same bytes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from repository import Repository, clone, environment

from tuning_dynamics.study.paths import Paths

STUDY = "tests/smoke/short.yaml"
PRETRAINED = "steady/900/checkpoint"
TUNED = "steady/900/long/nli_people/seed0"
#: What the runs are asked for: tables of every cell. All others are made of these.
TABLES = [Paths("short").table(name) for name in ("scores", "changes")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The short study, run without interruption."""
    repository = clone(tmp_path_factory.mktemp("undisturbed"), STUDY)
    repository.succeed(*TABLES)
    return repository


def kill_when(repository: Repository, reached: Callable[[], bool]) -> None:
    """Start a run in a process group of its own, and SIGKILL the group once `reached`."""
    process = subprocess.Popen(
        repository.command(*TABLES),
        cwd=repository.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 900
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the point to kill at was never reached"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def results(repository: Repository) -> Path:
    return repository.folder / "results/short"


def contents(repository: Repository) -> dict[str, bytes]:
    """The bytes of every number: weights, per-item records and tables."""
    folder = results(repository)
    files = [
        *folder.glob("steady/**/*.safetensors"),
        *folder.glob("steady/**/cells/**/*.parquet"),
        *folder.glob("tables/*"),
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def state(job: str) -> Callable[[Repository], bool]:
    """Whether a training job has saved a state and not yet ended."""
    return lambda repository: (
        (results(repository) / "scratch" / job).exists()
        and any((results(repository) / "scratch" / job).rglob("state.pt"))
    )


def some_cells(repository: Repository) -> bool:
    """Whether the tuned variant's server has answered some of its twelve cells."""
    cells = (results(repository) / TUNED / "cells").rglob("*.parquet")
    return len(list(cells)) >= 3


def resumed_from(repository: Repository, job: str) -> list[list[int]]:
    """The steps that each stage of a training job continued from."""
    path = results(repository) / job / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    return [run["resumed_from"] for run in metrics.get("stages", [metrics])]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The short study, killed in pre-training, in tuning and in evaluation, and then finished."""
    repository = clone(tmp_path_factory.mktemp("killed"), STUDY)
    for reached in (state(PRETRAINED), state(TUNED), some_cells):
        kill_when(repository, partial(reached, repository))
    repository.succeed(*TABLES)
    return repository


def test_killed_and_continued_equals_undisturbed(
    killed: Repository, undisturbed: Repository
) -> None:
    expected, found = contents(undisturbed), contents(killed)
    # Three models, a cell of each set and format, and five tables in three file formats.
    assert len(expected) == 3 + 16 + 5 * 3
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert killed.planned(*TABLES) == {}


def test_killed_training_resumes(killed: Repository) -> None:
    for job, first_step in ((PRETRAINED, 20), (TUNED, 0)):
        resumed = resumed_from(killed, job)
        assert resumed[0], "the job began again instead of resuming"
        assert resumed[0][0] > first_step


def test_killed_evaluation_keeps_its_cells(killed: Repository) -> None:
    text = (results(killed) / "logs/serve" / f"{TUNED}.log").read_text(encoding="utf-8")
    # The last of the three may have been written and not yet kept.
    assert text.count("kept from an earlier run") >= 2, "cells were evaluated again"


def test_a_second_run_on_one_study_is_refused(tmp_path: Path) -> None:
    repository = clone(tmp_path / "clone", STUDY)
    refusals = []

    def second_is_refused() -> bool:
        if not (results(repository) / ".lock").exists():
            return False
        refusals.append(repository.run())
        return True

    kill_when(repository, second_is_refused)
    assert refusals[0].returncode != 0
    assert "another run works on this study" in refusals[0].stdout
