"""Requests to the hub, and how the jobs of a run share its answers."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.checkpoints import listing as listings
from tuning_dynamics.checkpoints.listing import Listing, shared_listing
from tuning_dynamics.common.hub import HubError
from tuning_dynamics.common.job_log import RUN

FILES = {"config.json": {"digest": "git:a", "bytes": 2}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Requests to the hub, in order; a branch `step1` of each repository moves in each answer."""
    found: list[str] = []

    def refs(repo: str) -> list[list[str]]:
        found.append(repo)
        return [["step1", f"commit{len(found)}"]]

    def commit(repo: str, revision: str) -> str:
        found.append(f"{repo} {revision}")
        return f"commit{len(found)}"

    def files(repo: str, commit: str) -> dict[str, Any]:
        found.append(f"{repo} {commit}")
        return FILES

    monkeypatch.setattr(listings, "_ask_refs", refs)
    monkeypatch.setattr(listings, "_ask_commit", commit)
    monkeypatch.setattr(listings, "_ask_files", files)
    monkeypatch.setenv(RUN, "one")
    return found


def test_a_run_asks_for_refs_once_and_the_next_run_again(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert Listing(tmp_path).refs("a/b") == [("step1", "commit1")]
    assert Listing(tmp_path).commit("a/b", "refs/pr/1") == "commit2"
    assert Listing(tmp_path).commit("a/b", "refs/pr/1") == "commit2"
    assert asked == ["a/b", "a/b refs/pr/1"]
    monkeypatch.setenv(RUN, "two")
    assert Listing(tmp_path).refs("a/b") == [("step1", "commit3")]
    assert Listing(tmp_path).commit("a/b", "refs/pr/1") == "commit4"


def test_the_files_of_a_commit_are_asked_for_once(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("one", "two"):
        monkeypatch.setenv(RUN, run)
        for repo in ("a/b", "a/c"):
            assert Listing(tmp_path).files(repo, "commit1") == FILES
    assert asked == ["a/b commit1", "a/c commit1"]


def test_a_process_without_a_run_is_one_of_its_own(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RUN)
    for _ in range(2):
        Listing(tmp_path).refs("a/b")
    monkeypatch.setattr(listings, "_PROCESS", "another")
    Listing(tmp_path).refs("a/b")
    assert asked == ["a/b", "a/b"]


def damages(text: str) -> dict[str, str]:
    """Damages of a file; `flipped` is another digest in JSON that is still well formed."""
    return {
        "empty": "",
        "cut": text[: len(text) // 2],
        "a list": "[]",
        "nothing said": json.dumps({"said": None, "digest": "x"}),
        "flipped": text.replace("git:a", "git:b"),
    }


@pytest.mark.parametrize("damage", damages(""))
def test_a_damaged_answer_is_asked_for_again(tmp_path: Path, asked: list[str], damage: str) -> None:
    Listing(tmp_path).files("a/b", "commit1")
    path = tmp_path / "a%2Fb" / "commit1.json"
    path.write_text(damages(path.read_text(encoding="utf-8"))[damage], encoding="utf-8")
    assert Listing(tmp_path).files("a/b", "commit1") == FILES
    assert Listing(tmp_path).files("a/b", "commit1") == FILES
    assert len(asked) == 2


def test_the_answer_of_another_commit_is_not_taken(tmp_path: Path, asked: list[str]) -> None:
    Listing(tmp_path).files("a/b", "commit1")
    folder = tmp_path / "a%2Fb"
    shutil.copyfile(folder / "commit1.json", folder / "commit2.json")
    Listing(tmp_path).files("a/b", "commit2")
    assert asked == ["a/b commit1", "a/b commit2"]


def test_a_failure_counts_for_those_that_do_not_ask_again(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(repo: str, commit: str) -> dict[str, Any]:
        asked.append(f"{repo} {commit}")
        raise HubError("busy")

    answer = listings._ask_files
    monkeypatch.setattr(listings, "_ask_files", fail)
    for again in (True, False, True, False):
        with pytest.raises(HubError, match="busy"):
            Listing(tmp_path).files("a/b", "commit1", again=again)
    assert len(asked) == 2
    monkeypatch.setattr(listings, "_ask_files", answer)
    monkeypatch.setenv(RUN, "two")
    assert Listing(tmp_path).files("a/b", "commit1", again=False) == FILES


def test_a_studys_listing_lies_in_its_scratch_folder() -> None:
    folder = shared_listing("results/mine/olmo/30/checkpoint/download.json", "olmo").folder
    assert folder == Path("results/mine/scratch/olmo/listing")


#: A job that sends two requests to a slow hub that counts them.
JOB = """
import sys, time
from pathlib import Path
from tuning_dynamics.checkpoints import listing as listings
from tuning_dynamics.common.hub import HubError
folder, fails = Path(sys.argv[1]), sys.argv[2] == "fails"
def slowly(*asked):
    with (folder / "asked").open("a") as log:
        log.write(f"{asked}\\n")
    time.sleep(1)
    if fails:
        raise HubError("busy")
    return [["step1", "c"]] if len(asked) == 1 else {}
listings._ask_refs = listings._ask_files = slowly
hub = listings.Listing(folder / "listing")
print("ready", flush=True)
sys.stdin.read(1)
try:
    hub.refs("a/b")
    hub.files("a/b", "c")
except HubError as error:
    sys.exit(str(error))
"""


def in_jobs(folder: Path, outcome: str, jobs: int = 6) -> list[str]:
    """Let jobs ask at the same time; return each one's output."""
    packages = os.pathsep.join(str(path) for path in sys.path)
    command = [sys.executable, "-c", JOB, str(folder), outcome]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, RUN: "one", "PYTHONPATH": packages},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(jobs)
    ]
    for job in started:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(jobs) as threads:
        return [said for _, said in threads.map(lambda job: job.communicate("x"), started)]


def test_jobs_side_by_side_ask_each_thing_once(tmp_path: Path) -> None:
    assert in_jobs(tmp_path, "answers") == [""] * 6
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert asked == ["('a/b',)", "('a/b', 'c')"]


def test_jobs_that_waited_share_a_failure(tmp_path: Path) -> None:
    assert in_jobs(tmp_path, "fails") == ["busy\n"] * 6
    assert len((tmp_path / "asked").read_text(encoding="utf-8").splitlines()) == 1
