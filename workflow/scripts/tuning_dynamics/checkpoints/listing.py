"""A hub's answers about repositories, requested once for all jobs of a run.

A run asks once which commit each ref names. The files of a commit never change, so they are
requested once per study. Answers are kept in the study's scratch folder only to save requests: a
missing or damaged one is requested again.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tuning_dynamics.common.atomic_files import read_json, text_digest, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.hub import HubError, patiently, redacted, understood
from tuning_dynamics.common.job_log import RUN

#: The id of the run in a process that no run started.
_PROCESS = uuid4().hex


@dataclass(frozen=True)
class Listing:
    """The answers in a folder that the jobs of a run share.

    Methods raise HubError. Without `again`, a failure of another job of the run counts too.
    """

    folder: Path

    def refs(self, repo: str) -> list[tuple[str, str]]:
        """Name and commit of each branch and tag of a repository, in this run."""
        answer = self._once(repo, "refs", lambda: _ask_refs(repo))
        return [(name, commit) for name, commit in answer]

    def commit(self, repo: str, revision: str, *, again: bool = True) -> str:
        """The commit of a branch, a tag or any other revision of a repository, in this run."""
        name = f"revision-{revision}"
        return str(self._once(repo, name, lambda: _ask_commit(repo, revision), again=again))

    def files(self, repo: str, commit: str, *, again: bool = True) -> dict[str, dict[str, Any]]:
        """The files at the top of a repository at a commit, each with `digest` and `bytes`."""
        answer: dict[str, dict[str, Any]] = self._once(
            repo, commit, lambda: _ask_files(repo, commit), lasting=True, again=again
        )
        return answer

    def _once(
        self,
        repo: str,
        name: str,
        ask: Callable[[], Any],
        *,
        lasting: bool = False,
        again: bool = True,
    ) -> Any:
        """The kept answer, or the hub's, which is then kept.

        One job asks while the others wait, and its outcome counts for those that waited, so that
        all of them together wait for a hub that is down only as long as one.
        """
        path = self.folder / quote(repo, safe="") / f"{quote(name, safe='')}.json"
        asked = {"repo": repo, "name": name}
        since = time.time() if again else 0.0
        answer = _kept(path, asked, lasting, since)
        if answer is not None:
            return answer
        with self._locked():
            answer = _kept(path, asked, lasting, since)
            return _ask_and_keep(path, asked, ask) if answer is None else answer

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold a lock in the block; the system releases it when a process is killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def shared_listing(output: str, family: str) -> Listing:
    """The listing of a study's family: results/STUDY/… -> results/STUDY/scratch/FAMILY/listing."""
    return Listing(Path(*Path(output).parts[:2], "scratch", family, "listing"))


def _run() -> str:
    return os.environ.get(RUN) or _PROCESS


def _kept(path: Path, asked: dict[str, str], lasting: bool, since: float) -> Any:
    """The answer in a file, None if it has no valid one.

    HubError for a failure in this run that ended at `since` (seconds since 1970) or later.
    """
    kept = _read(path)
    if kept.get("asked") != asked:
        return None
    now = kept["run"] == _run()
    if "failed" not in kept:
        return kept["answer"] if lasting or now else None
    if now and kept["at"] >= since:
        raise HubError(kept["failed"])
    return None


def _ask_and_keep(path: Path, asked: dict[str, str], ask: Callable[[], Any]) -> Any:
    try:
        answer = ask()
    except HubError as error:
        _write(path, {"asked": asked, "run": _run(), "failed": str(error), "at": time.time()})
        raise
    _write(path, {"asked": asked, "run": _run(), "answer": answer})
    return answer


def _write(path: Path, said: dict[str, Any]) -> None:
    write_json(path, {"said": said, "digest": _digest(said)})


def _read(path: Path) -> dict[str, Any]:
    """What `_write` wrote; empty if the file does not exist or is damaged."""
    try:
        document = read_json(path)
    except StudyError:
        return {}
    if not isinstance(document, dict) or document.get("digest") != _digest(document.get("said")):
        return {}
    said: dict[str, Any] = document["said"]
    return said


def _digest(said: Any) -> str:
    return text_digest(json.dumps(said, sort_keys=True))


# --- the hub -------------------------------------------------------------------------------------


def _ask_refs(repo: str) -> list[list[str]]:
    from huggingface_hub import HfApi

    what = f"the refs of {repo}"
    refs = understood(what, lambda: patiently(what, lambda: HfApi().list_repo_refs(repo)))
    named = (*refs.branches, *refs.tags)
    return [[ref.name, _require(_COMMIT, ref.target_commit, what)] for ref in named]


def _ask_commit(repo: str, revision: str) -> str:
    from huggingface_hub import HfApi

    asked = f"{repo} at {revision}"
    found = understood(
        asked, lambda: patiently(asked, lambda: HfApi().model_info(repo, revision=revision).sha)
    )
    return _require(_COMMIT, found, asked)


def _ask_files(repo: str, commit: str) -> dict[str, dict[str, Any]]:
    """All files, as the wanted ones may change: sha256 of a large file, git's id of others."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    what = f"{repo} at {commit}"
    tree = understood(
        what, lambda: patiently(what, lambda: list(HfApi().list_repo_tree(repo, revision=commit)))
    )
    files = [file for file in tree if isinstance(file, RepoFile)]
    return {
        str(file.path): {
            "digest": _require(
                _DIGEST, f"sha256:{file.lfs.sha256}" if file.lfs else f"git:{file.blob_id}", what
            ),
            "bytes": int(_require(_SIZE, str(file.size), what)),
        }
        for file in files
    }


#: What a hub names commits by, files' contents and their bytes.
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"git:[0-9a-f]{40}|sha256:[0-9a-f]{64}")
_SIZE = re.compile(r"\d{1,18}")


def _require(pattern: re.Pattern[str], value: Any, what: str) -> str:
    """A value that a hub gives; HubError where it can't be one: it becomes a name of a folder."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise HubError(f"{what}: the answer is not a hub's ({redacted(repr(value))[:100]})")
    return value
