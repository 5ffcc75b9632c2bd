"""A run that is killed anywhere continues with the same command, to the same bytes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from repository import Repository, clone, environment

STUDY = "tests/smoke/short.yaml"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The short study, run without interruption."""
    repository = clone(tmp_path_factory.mktemp("undisturbed"), STUDY)
    repository.succeed()
    return repository


def kill_when(repository: Repository, reached: Callable[[], bool]) -> None:
    """Start a run in a process group of its own, and SIGKILL the group once `reached`."""
    process = subprocess.Popen(
        repository.command(),
        cwd=repository.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the point to kill at was never reached"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tables(repository: Repository) -> dict[str, bytes]:
    """Every table but the one of seconds, which no two runs share."""
    folder = repository.folder / "results/short/tables"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.stem != "cost"}


def results(repository: Repository) -> Path:
    return repository.folder / "results/short"


def state(job: str) -> Callable[[Repository], bool]:
    """Whether a training job has saved a state and not yet ended."""
    return lambda repository: (
        (results(repository) / "scratch" / job).exists()
        and any((results(repository) / "scratch" / job).rglob("state.pt"))
    )


def some_cells(repository: Repository) -> bool:
    """Whether a server has answered some cells of a variant, and not yet all."""
    cells = (results(repository) / "steady").rglob("cells/**/*.parquet")
    return len(list(cells)) >= 3


@pytest.mark.parametrize(
    ("stage", "reached"),
    [
        ("pretrain", state("steady/900/checkpoint")),
        ("tune", state("steady/900/long/nli_people/seed0")),
        ("evaluate", some_cells),
    ],
)
def test_killed_and_continued_equals_undisturbed(
    stage: str,
    reached: Callable[[Repository], bool],
    undisturbed: Repository,
    tmp_path: Path,
) -> None:
    repository = clone(tmp_path / stage, STUDY)
    kill_when(repository, lambda: reached(repository))
    repository.succeed()
    assert tables(repository) == tables(undisturbed)
    assert repository.planned() == {}
    job = {"pretrain": "900/checkpoint", "tune": "900/long/nli_people/seed0"}.get(stage)
    if stage == "evaluate":
        log = results(repository) / "logs/serve/steady/900"
        text = "".join(path.read_text(encoding="utf-8") for path in log.rglob("*.log"))
        # The last of the three may have been written and not yet kept.
        assert text.count("kept from an earlier run") >= 2, "cells were evaluated again"
    if job is not None:
        path = results(repository) / "steady" / job / "metrics.json"
        metrics = json.loads(path.read_text(encoding="utf-8"))
        resumed = [run["resumed_from"] for run in metrics.get("stages", [metrics])]
        assert resumed[0], "the job began again instead of resuming"
        assert resumed[0][0] > (20 if stage == "pretrain" else 0)


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
