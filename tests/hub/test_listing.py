"""Requests of downloads to a hub: each once, and none if there is nothing to do."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from repository import Repository, clone, environment

from hub.models import publish_models
from hub.repositories import full_ref, read_revision
from hub.server import Hub

STUDY, FAMILY = "tests/hub/study.yaml", "tests/hub/catalogue/families/hub_olmo2.yaml"
REPO, NAME = "tiny/olmo2", "hub_olmo2"


@dataclass(frozen=True)
class Prepared:
    """A study with two checkpoints downloaded: its repository, the hub client's cache next to it,
    where the hub keeps its revisions, and the counts of that run's requests."""

    repository: Repository
    home: Path
    hub: Path
    listed: Counter[str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The prepared study. Not to be changed."""
    folder = tmp_path_factory.mktemp("listing")
    with Hub(folder / "repositories") as hub:
        publish_models(hub)
        repository = opened(clone(folder / "clone"), hub, folder / "home")
        take(repository, "[20]", "[10, 20]")
        repository.succeed(*downloads(10, 20))
        return Prepared(repository, folder / "home", hub.root, listed(hub))


@pytest.fixture
def hub(prepared: Prepared) -> Iterator[Hub]:
    """The hub of the prepared study, without requests yet."""
    with Hub(prepared.hub) as hub:
        yield hub


@pytest.fixture
def study(prepared: Prepared, hub: Hub, tmp_path: Path) -> Repository:
    """A copy of the prepared study, with a copy of the hub client's cache."""
    shutil.copytree(prepared.home, tmp_path / "home", symlinks=True)
    return opened(prepared.repository.copy(tmp_path / "clone"), hub, tmp_path / "home")


def opened(repository: Repository, hub: Hub, home: Path) -> Repository:
    """A repository whose runs take the study and use a hub."""
    return Repository(repository.folder, STUDY, {**hub.environment(home), "HF_HUB_OFFLINE": "0"})


def take(repository: Repository, old: str, new: str) -> None:
    """Change the checkpoints that the study takes of the family."""
    line = "\ncheckpoints: {steps: %s}\n"
    repository.edit(FAMILY, line % old, line % new)


def revision(step: int) -> str:
    """The hub's name of a step of the family."""
    return f"stage1-step{step}-tokens{step // 10}B"


def downloads(*steps: int, study: str = "hub") -> list[str]:
    """The records of steps' downloads."""
    return [f"results/{study}/{NAME}/{step}/checkpoint/download.json" for step in steps]


def commits(repository: Repository, *steps: int, study: str = "hub") -> list[str]:
    """The commits that were downloaded."""
    paths = (repository.folder / path for path in downloads(*steps, study=study))
    return [json.loads(path.read_text(encoding="utf-8"))["commit"] for path in paths]


def listed(hub: Hub) -> Counter[str]:
    """How often refs and each commit's tree were asked for.

    The hub's client asks for the tree once more when it fetches a revision's files.
    """
    base = f"/api/models/{REPO}/"
    paths = [request.path for request in hub.requests if request.path.startswith(base)]
    return Counter(path.removeprefix(base).removeprefix("tree/") for path in paths)


def move(hub: Hub, step: int, folder: Path) -> str:
    """Make a branch name another commit, which is returned."""
    ref = full_ref(revision(step))
    name = quote(ref, safe="")
    shutil.copytree(hub.root / "models" / REPO / name, folder / name)
    (folder / name / "README.md").write_text("Another commit.\n", encoding="utf-8")
    moved = read_revision("model", REPO, folder / name)
    hub.shelf.repositories["model", REPO].revisions[ref] = moved
    return moved.commit


def test_the_jobs_of_a_run_ask_each_thing_once(prepared: Prepared, hub: Hub) -> None:
    named = {step: hub.commit("model", REPO, revision(step)) for step in (10, 20, 30)}
    assert prepared.listed == {
        "refs": 1,
        named[10]: 2,
        named[20]: 2,
        named[30]: 1,  # the final one; it and `main` are compared with
        hub.commit("model", REPO, "main"): 1,
    }
    assert commits(prepared.repository, 10, 20) == [named[10], named[20]]


def test_where_nothing_is_to_be_done_nothing_is_asked(hub: Hub, study: Repository) -> None:
    assert "Nothing to be done" in study.succeed(*downloads(10, 20))
    assert not hub.requests


def test_a_step_that_joins_is_fetched_alone(hub: Hub, study: Repository) -> None:
    take(study, "[10, 20]", "[0, 10, 20]")
    assert study.planned(*downloads(0, 10, 20)) == {"download": 1}
    study.succeed(*downloads(0, 10, 20))
    joined = hub.commit("model", REPO, revision(0))
    assert listed(hub) == {"refs": 1, joined: 2}
    assert hub.downloads()
    assert all(f"/resolve/{joined}/" in path for path in hub.downloads())


def test_a_branch_that_moves_changes_nothing_until_a_download_is_forced(
    hub: Hub, study: Repository, tmp_path: Path
) -> None:
    pinned, moved = commits(study, 10, 20), move(hub, 20, tmp_path)
    assert moved not in pinned
    assert "Nothing to be done" in study.succeed(*downloads(10, 20))
    assert not hub.requests
    take(study, "[10, 20]", "[0, 10, 20]")
    study.succeed(*downloads(0, 10, 20))
    assert commits(study, 10, 20) == pinned
    study.succeed("--force", *downloads(20))
    assert commits(study, 10, 20) == [pinned[0], moved]


def test_a_damaged_answer_is_asked_for_again(hub: Hub, study: Repository) -> None:
    folder = study.folder / "results" / "hub" / "scratch" / NAME / "listing" / "tiny%2Folmo2"
    damaged = hub.commit("model", REPO, revision(10))
    (folder / f"{damaged}.json").write_text("{", encoding="utf-8")
    study.succeed("--force", *downloads(20))
    # The files of step 20 are in the cache of the hub's client.
    assert listed(hub) == {"refs": 1, damaged: 1}
    assert not hub.downloads()


def test_two_studies_at_once_do_not_disturb_one_another(
    hub: Hub, study: Repository, tmp_path: Path
) -> None:
    text = (study.folder / STUDY).read_text(encoding="utf-8")
    variables = {**study.variables, **hub.environment(tmp_path / "empty")}
    started = []
    for name in ("one", "two"):
        file = tmp_path / f"{name}.yaml"
        file.write_text(text.replace("study: hub\n", f"study: {name}\n"), encoding="utf-8")
        command = Repository(study.folder, str(file)).command(*downloads(10, 20, study=name))
        started.append(
            subprocess.Popen(
                command,
                cwd=study.folder,
                env={**environment(), **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    printed = [run.communicate(timeout=600)[0] for run in started]
    assert [run.returncode for run in started] == [0, 0], printed
    assert commits(study, 10, 20, study="one") == commits(study, 10, 20, study="two")
    asked = listed(hub)
    assert asked["refs"] == asked[hub.commit("model", REPO, "main")] == 2


def test_the_listing_is_for_who_asks_for_it(hub: Hub, study: Repository) -> None:
    path = f"results/hub/{NAME}/revisions.json"
    study.succeed(path)
    found = json.loads((study.folder / path).read_text(encoding="utf-8"))
    assert found["steps"] == [0, 10, 20, 30]
    assert found["final"] == 30
    assert set(found["revisions"]) == {"10", "20", "30", "main"}
    assert found["revisions"]["30"]["commit"] == hub.commit("model", REPO, revision(30))
    assert all("model.safetensors.index.json" in r["files"] for r in found["revisions"].values())
