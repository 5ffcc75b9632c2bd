"""A run that is killed anywhere continues with the same command, to the same bytes.

`benchmarks/kills.py` does it at many random moments; these are the ones with most to lose.
"""

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from kills import Held, Moment, Run, contents, hold, leftovers
from repository import Repository, clone

from tuning_dynamics.common.paths import Paths

STUDY = "tests/smoke/short.yaml"
PRETRAINED = "steady/600/checkpoint"
TUNED = "steady/600/long/nli_people/seed0"
#: What the runs are asked for: tables of every cell. All others are made of these.
TABLES = tuple(Paths("short").table(name) for name in ("scores", "changes"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The short study, run without interruption."""
    repository = clone(tmp_path_factory.mktemp("undisturbed"), STUDY)
    repository.succeed(*TABLES)
    return repository


def results(repository: Repository) -> Path:
    return repository.folder / "results/short"


def state(job: str) -> Callable[[Run], bool]:
    """Whether a training job has saved a state and not yet ended."""
    return lambda run: any((results(run.repository) / "scratch" / job).rglob("state.pt"))


def cells(number: int) -> Callable[[Run], bool]:
    """Whether so many of the tuned variant's nine cells are made."""
    return lambda run: len(list((results(run.repository) / TUNED).rglob("*.parquet"))) >= number


@dataclass
class Killed:
    """The study that was killed and then finished, and what was seen in between."""

    repository: Repository
    held: list[Held]
    refused: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """The short study: Snakemake is killed in pre-training, the job in tuning, and all of it in
    evaluation; a second run is tried during the last one."""
    folder = tmp_path_factory.mktemp("killed")
    repository = clone(folder / "clone", STUDY)
    held = []

    def run_until(reached: Callable[[Run], bool]) -> Run:
        run = Run(repository, TABLES)
        assert run.wait(reached), run.said
        return run

    def hold_now() -> None:
        held.append(hold(repository, "short", folder / str(len(held))))

    run_until(state(PRETRAINED)).kill_driver()
    hold_now()
    run = run_until(state(TUNED))
    assert run.signal_job("tune_variant", signal.SIGKILL)
    hold_now()
    run.wait(lambda _: False)
    assert run.process.returncode == 1, run.said
    run_until(cells(3)).kill_all()
    hold_now()
    run = run_until(Moment("evaluate_variant", 0))
    with run.stopped():
        refused = repository.run(*TABLES)
    run.wait(lambda _: False)
    assert run.process.returncode == 0, run.said
    return Killed(repository, held, refused)


def test_killed_and_continued_equals_undisturbed(killed: Killed, undisturbed: Repository) -> None:
    expected, found = contents(undisturbed, "short"), contents(killed.repository, "short")
    # Three models, a cell of each set and format, and ten tables in three file formats.
    assert len(expected) == 3 + 12 + 10 * 3
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert killed.repository.planned(*TABLES) == {}
    assert leftovers(killed.repository, "short") == []


def test_what_was_finished_is_not_made_again(killed: Killed) -> None:
    for held in killed.held:
        assert held.made_again() == []
        assert all(number <= 1 for number in held.unrecorded.values())
    counts = [len(held.made) for held in killed.held]
    assert counts == sorted(counts)
    cells = [path for path in killed.held[2].made if f"{TUNED}/cells" in str(path)]
    assert len(cells) >= 2


def test_killed_training_resumes(killed: Killed) -> None:
    for job, first_step in ((PRETRAINED, 20), (TUNED, 0)):
        path = results(killed.repository) / job / "metrics.json"
        metrics = json.loads(path.read_text(encoding="utf-8"))
        resumed = metrics.get("stages", [metrics])[0]["resumed_from"]
        assert resumed, "the job began again instead of resuming"
        assert resumed[0] > first_step


def test_a_second_run_on_one_study_is_refused(killed: Killed) -> None:
    assert killed.refused.returncode != 0
    assert "another run works on this study" in killed.refused.stdout
    assert "Traceback" not in killed.refused.stdout
