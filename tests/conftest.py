"""Fixtures shared by all tiers."""

import os
import sys
from pathlib import Path

import pytest

# As in a run: one thread for each process, in which sums keep their order.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "workflow"))

from repository import Repository, clone


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which the smoke study ran from start to report. Not to be changed: copy."""
    repository = clone(tmp_path_factory.mktemp("smoke"))
    repository.succeed()
    return repository


@pytest.fixture
def copied(smoke: Repository, tmp_path: Path) -> Repository:
    """A copy of the finished smoke study, with other modification times."""
    return smoke.copy(tmp_path / "clone")


@pytest.fixture
def fresh(tmp_path: Path) -> Repository:
    """A fresh copy of the repository without results."""
    return clone(tmp_path / "clone")
