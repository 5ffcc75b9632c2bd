"""A copy of the repository with the study in it, as its user sees it: files and a command line."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from repository import PARTS, Repository, environment

from edited.jobs import Job, planned_jobs

#: A line of progress of a job that trains.
STEP = re.compile(r"step \d+ of \d+, loss")
TRAINING = ("pretrain", "try_rate", "tune")
MODULES = "workflow/scripts/tuning_dynamics"


@dataclass
class World:
    """A repository and its study; edits that move it put another repository in its place."""

    repository: Repository

    @property
    def folder(self) -> Path:
        """The repository."""
        return self.repository.folder

    @property
    def results(self) -> Path:
        """The study's results."""
        return self.folder / "results" / ("second" if "second" in self.study else "edited")

    @property
    def study(self) -> str:
        """The study's file."""
        return self.repository.study

    # --- files ---------------------------------------------------------------------------

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace text that must be in a file once."""
        self.repository.edit(file, old, new)

    def substitute(self, file: str, pattern: str, new: str) -> None:
        """Replace the first match of a regular expression, which must be there."""
        path = self.folder / file
        text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1)
        assert count, f"{file}: nothing matches {pattern!r}"
        path.write_text(text, encoding="utf-8")

    def in_code(self, old: str, new: str) -> None:
        """Replace text that must be in one module of the project, once."""
        having = [
            path
            for path in sorted((self.folder / MODULES).rglob("*.py"))
            if old in path.read_text(encoding="utf-8")
        ]
        assert len(having) == 1, f"{[path.name for path in having]} have {old!r}"
        self.replace(str(having[0].relative_to(self.folder)), old, new)

    def result(self, pattern: str) -> Path:
        """The one file or folder of the results that a pattern matches."""
        found = list(self.results.glob(pattern))
        assert len(found) == 1, f"{len(found)} of the results match {pattern}"
        return found[0]

    def remove(self, pattern: str) -> None:
        """Delete the one file or folder of the results that a pattern matches."""
        path = self.result(pattern)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def digest(self) -> str:
        """A digest of all inputs of the study: everything that a run in a new folder depends on."""
        digest = hashlib.sha256(self.study.encode())
        for path in _sources(self.folder):
            digest.update(f"{path.relative_to(self.folder)}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    # --- runs ----------------------------------------------------------------------------

    def plan(self, *targets: str) -> tuple[set[Job], str]:
        """The jobs that a dry run lists, and what it says."""
        text = self.repository.succeed("-n", *targets)
        return planned_jobs(text), text

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give the command once."""
        return self.repository.run(*arguments)

    def trained(self, since: float) -> set[Job]:
        """The jobs whose logs show training after a time (seconds of the system's clock)."""
        return {job for job, log in self._logs(since) if STEP.search(log.read_text("utf-8"))}

    def _logs(self, since: float) -> Iterator[tuple[Job, Path]]:
        for stage in TRAINING:
            logs = self.results / "logs" / stage
            for log in logs.rglob("*.log"):
                if log.stat().st_mtime >= since:
                    yield Job(stage, str(log.relative_to(logs)).removesuffix(".log")), log

    def begun(self, stage: str, since: float) -> bool:
        """Whether a job of a stage has begun its log after a time."""
        logs = self.results.glob(f"logs/{stage}/**/*.log")
        return any(log.stat().st_mtime >= since for log in logs)

    def run_and(
        self, stage: str, edit: Callable[["World"], None]
    ) -> subprocess.CompletedProcess[str]:
        """Give the command once, and edit when a job of a stage begins.

        AssertionError if none begins.
        """
        since, output = now(), self.folder / "output.txt"
        with output.open("w", encoding="utf-8") as stream:
            process = self.start(stream)
            try:
                while not (begun := self.begun(stage, since)) and process.poll() is None:
                    time.sleep(0.05)
                if begun:
                    edit(self)
            finally:
                wait(process)
        text = output.read_text(encoding="utf-8")
        output.unlink()
        assert begun, f"no job of {stage} began:\n{text}"
        return subprocess.CompletedProcess(process.args, process.returncode, text)

    def start(self, stream: object) -> "subprocess.Popen[str]":
        """Start the command."""
        return subprocess.Popen(
            self.repository.command(),
            cwd=self.folder,
            env={**environment(), **self.repository.variables},
            stdout=stream,  # type: ignore[arg-type]
            stderr=subprocess.STDOUT,
            text=True,
        )

    # --- what came out -------------------------------------------------------------------

    def outcome(self) -> dict[str, str]:
        """Digests of every table but that of seconds, of every figure, and of what is in every
        cell, by path in the study's results."""
        found = {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (*self.results.glob("tables/*.csv"), *self.results.glob("figures/*/*.svg"))
            if path.stem != "cost"
        }
        for path in self.results.glob("*/[0-9]*/**/cells/**/*.parquet"):
            rows = json.dumps(pq.read_table(path).to_pylist(), sort_keys=True, default=str)
            name = str(path.relative_to(self.results))
            found[name] = hashlib.sha256(rows.encode()).hexdigest()
        return found


def differing(found: dict[str, str], fresh: dict[str, str]) -> list[str]:
    """What a fresh run made and a run after an edit did not make, or made differently.

    Other files may be of checkpoints that have left the study; tables may not.
    """
    missing = {name for name, digest in fresh.items() if found.get(name) != digest}
    extra = {name for name in found.keys() - fresh.keys() if name.startswith("tables/")}
    return sorted(missing | extra)


def wait(process: "subprocess.Popen[str]") -> int:
    """The exit status of a command. TimeoutExpired, after killing it, if it does not end."""
    try:
        return process.wait(1800)
    finally:
        process.kill()


def now() -> float:
    """The time by a file system, whose clock is coarser than the system's."""
    return time.time() - 0.02


def _sources(folder: Path) -> list[Path]:
    found = (folder / part for part in PARTS)
    files = (path for part in found for path in (part, *part.rglob("*")) if path.is_file())
    return sorted(path for path in files if "__pycache__" not in path.parts)


def restore(snapshot: Path, folder: Path) -> None:
    """Put a copy of a folder in place of another, with links and times as they were."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(snapshot, folder, symlinks=True)


def touch_all(folder: Path) -> None:
    """Set the times of all files below a folder to now."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path)
