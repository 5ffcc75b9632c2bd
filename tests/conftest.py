"""Fixtures shared by all tiers."""

import fcntl
import os
import sys
from pathlib import Path

import pytest

# As in a run: one thread for each process, in which sums keep their order.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "workflow"))

from repository import Repository, clone

#: Folders of tests that run whole studies.
WHOLE_RUNS = ("hub", "smoke", "workflow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests of whole runs as slow, and put them first: workers then end together."""
    for item in items:
        if item.path.parent.name in WHOLE_RUNS:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def shared_by_workers(factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run that all its workers have in common."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which the smoke study ran from start to report. Not to be changed: copy.

    The first worker that needs it runs the study while the others wait for it.
    """
    folder = shared_by_workers(tmp_path_factory) / "smoke"
    folder.mkdir(exist_ok=True)
    repository = Repository(folder / "clone")
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not repository.folder.exists():
            clone(repository.folder)
        if not (folder / "finished").exists():
            repository.succeed()
            (folder / "finished").touch()
    return repository


@pytest.fixture(autouse=True)
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run's id and process, which a test that begins one in this process would leave."""
    for name in ("TUNING_DYNAMICS_RUN", "TUNING_DYNAMICS_DRIVER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def copied(smoke: Repository, tmp_path: Path) -> Repository:
    """A copy of the finished smoke study, with other modification times."""
    return smoke.copy(tmp_path / "clone")


@pytest.fixture
def fresh(tmp_path: Path) -> Repository:
    """A fresh copy of the repository without results."""
    return clone(tmp_path / "clone")
