"""Jobs of a finished study that run again, with one failing system request in each.

A C library that is preloaded into the run (`shim.c`) counts each job's requests to change
something below its study's results: each write, sync, rename, link, removal, new file and folder.
One of them fails, or the job is killed before or after it. The same command follows, and must give
the results of a run without faults.
"""

import errno
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repository import Repository

SHIM = Path(__file__).with_name("shim.c")

#: What can happen at a request. A kill after one equals a kill before the next, so only the last
#: one needs it.
ERRORS = {name: str(getattr(errno, name)) for name in ("ENOSPC", "EIO", "EPERM")}
KILLS = ("before", "after")

RAW = "Traceback (most recent call last)"

#: Parts of paths of files that two runs don't make equal: clocks are in them.
CLOCKED = (
    *("logs/", "benchmarks/", "records/", "metrics.json", "evaluation.json", "/cost."),
    *("report.html", "findings.html"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of job: `word` is in its process's command line, `keys` in the paths of each job.

    `makes` are the jobs' outputs below the results, {key} filled in; `targets` what a run is asked
    for. `edit` (file, old text, new text) makes all of the jobs' outputs those of other settings.
    """

    name: str
    word: str
    keys: tuple[str, ...]
    makes: tuple[str, ...]
    targets: tuple[str, ...]
    edit: tuple[str, str, str] | None = None

    def asked(self, keys: Iterable[str]) -> list[str]:
        """The targets of some jobs."""
        return sorted({target.format(key=key) for key in keys for target in self.targets})


@dataclass(frozen=True)
class Request:
    """One request of a job: its number in the job, the operation, and its path."""

    number: int
    what: str
    path: str


@dataclass(frozen=True)
class Fault:
    """`what` (of ERRORS or KILLS) happens at a job's request with a number."""

    kind: Kind
    key: str
    number: int
    what: str

    @property
    def line(self) -> str:
        """Its line of the shim's plan."""
        return f"{self.kind.word}\t{self.key}\t{self.number}\t{ERRORS.get(self.what, self.what)}\n"


@dataclass
class Outcome:
    """The outcome of a fault: where it struck, and what is wrong after the same command."""

    fault: Fault
    request: Request | None
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For a file of results."""
        fault, request = self.fault, self.request
        place = f"{request.what} {nameless(request.path)}" if request else "not reached"
        row = {"job": fault.kind.name, "number": fault.number, "what": fault.what, "at": place}
        return {**row, "wrong": self.wrong} if self.wrong else dict(row)


def compiled(folder: Path) -> Path | None:
    """The shim as a library in a folder; None without a C compiler or Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/proc/self/fd").exists():
        return None
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(command, check=True)
    return library


def nameless(path: str) -> str:
    """A path without parts that differ from process to process."""
    return re.sub(r"\.\d+\.part", ".PID.part", path)


class Scene:
    """A finished study in which jobs are made again, with faults and without.

    `study` is its name, `shim` the compiled library.
    """

    def __init__(self, repository: Repository, study: str, shim: Path) -> None:
        self.repository, self.study, self.shim = repository, study, shim

    @property
    def results(self) -> Path:
        """The study's results."""
        return self.repository.folder / "results" / self.study

    def copy(self, folder: Path) -> "Scene":
        """A copy in a new folder, everything as it is."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(self.repository.folder), str(folder)], check=True)
        old = self.repository
        return Scene(Repository(folder, old.study, old.variables), self.study, self.shim)

    def prepare(self, kind: Kind, keys: Sequence[str], *, edited: bool) -> None:
        """Make jobs due: edit their settings, or delete their outputs."""
        if edited:
            assert kind.edit is not None
            self.repository.edit(*kind.edit)
            return
        for key in keys:
            for pattern in kind.makes:
                found = list(self.results.glob(pattern.format(key=key)))
                assert found, f"{pattern.format(key=key)} is not there"
                for path in found:
                    self.remove(path)
            state = self.results / "scratch" / key.strip("/")
            if state.exists():
                self.remove(state)

    def remove(self, path: Path) -> None:
        """Remove a file or folder of the results, and nothing else."""
        assert path.resolve().is_relative_to(self.results.resolve()), path
        assert path.resolve() != self.results.resolve(), path
        remove(path)

    def run(self, kinds: Mapping[Kind, Sequence[str]], faults: Sequence[Fault], log: Path) -> str:
        """Run jobs with faults and return what the run says; `log` is what jobs asked for."""
        plan = log.with_suffix(".plan")
        lines = [Fault(kind, key, 0, "none").line for kind, keys in kinds.items() for key in keys]
        struck = {(fault.kind.word, fault.key): fault.line for fault in faults}
        kept = [line for line in lines if tuple(line.split("\t")[:2]) not in struck]
        plan.write_text("".join([*kept, *struck.values()]), encoding="utf-8")
        log.unlink(missing_ok=True)
        variables = {
            "LD_PRELOAD": str(self.shim),
            "FAULTS_PLAN": str(plan),
            "FAULTS_ROOT": f"results/{self.study}/",
            "FAULTS_LOG": str(log),
        }
        old = self.repository
        watched = Repository(old.folder, old.study, {**old.variables, **variables})
        return watched.run(*targets(kinds)).stdout

    def again(self, kinds: Mapping[Kind, Sequence[str]]) -> subprocess.CompletedProcess[str]:
        """The same command, without faults."""
        return self.repository.run(*targets(kinds))

    def contents(self) -> dict[str, bytes | str]:
        """All files of the study by path, with their content without clocks."""
        return {
            str(path.relative_to(self.results)): content(path)
            for path in sorted(self.results.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def raw(self) -> list[str]:
        """Logs that hold a raw traceback."""
        logs = (self.results / "logs").rglob("*.log")
        return [str(path) for path in logs if RAW in path.read_text(errors="replace")]


def targets(kinds: Mapping[Kind, Sequence[str]]) -> list[str]:
    """The targets of a run of some jobs."""
    return sorted({target for kind, keys in kinds.items() for target in kind.asked(keys)})


def remove(path: Path) -> None:
    """A file, or a folder with all in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def content(path: Path) -> bytes | str:
    """A file's bytes; for a training state the checksums of its tensors, as it also has seconds."""
    if path.suffix == ".pt" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            parts = {part.filename: part.CRC for part in archive.infolist()}
        return json.dumps({name: crc for name, crc in parts.items() if "/data/" in name})
    return path.read_bytes()


def requests(log: Path) -> dict[tuple[str, str], list[Request]]:
    """Each job's requests, by its process's word and its key."""
    found: dict[tuple[str, str], list[Request]] = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        word, key, number, what, path = line.split("\t")[:5]
        found.setdefault((word, key), []).append(Request(int(number), what, path))
    return found


@dataclass(frozen=True)
class Reference:
    """What jobs make without faults, and their requests.

    `volatile` are files that two runs don't make equal: clocks are in them.
    """

    files: dict[str, bytes | str]
    volatile: frozenset[str]
    requests: dict[tuple[str, str], list[Request]]


def standing(scene: Scene) -> Reference:
    """What a finished study holds."""
    files = scene.contents()
    return Reference(files, frozenset(n for n in files if any(part in n for part in CLOCKED)), {})


def strike(
    scene: Scene,
    faults: Sequence[Fault],
    clean: Reference,
    work: Path,
) -> list[Outcome]:
    """Run one job again for each fault, all in one run, and then give the same command.

    Each job has one fault. An error that can't be assigned to a fault is reported for all.
    """
    kinds: dict[Kind, list[str]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault.key)
    copy = scene.copy(work / "struck")
    for kind, keys in kinds.items():
        copy.prepare(kind, keys, edited=False)
    log = work / "struck.log"
    said = copy.run(kinds, faults, log)
    struck = requests(log)
    raw = copy.raw()
    done = copy.again(kinds)
    found, logs = copy.contents(), [*raw, *copy.raw()]
    wrong = []
    if RAW in said or RAW in done.stdout:
        wrong.append("a raw traceback on the terminal")
    if done.returncode:
        wrong.append(f"the same command fails: {done.stdout[-1500:]}")
    outcomes = []
    names = sorted({*found, *clean.files})
    for fault in faults:
        made = struck.get((fault.kind.word, fault.key), [])
        met = next((one for one in made if one.number == fault.number), None)
        outcome = Outcome(fault, met)
        outcome.wrong += [f"raw traceback in {log}" for log in logs if fault.key in log]
        outcome.wrong += differing([name for name in names if fault.key in name], found, clean)
        outcomes.append(outcome)
    own = {name for name in names for fault in faults if fault.key in name}
    rest = [f"raw traceback in {log}" for log in logs if not any(f.key in log for f in faults)]
    wrong += rest + differing([name for name in names if name not in own], found, clean)
    for outcome in outcomes:
        outcome.wrong += wrong
    shutil.rmtree(copy.repository.folder)
    return outcomes


def differing(
    names: Iterable[str], found: Mapping[str, bytes | str], clean: Reference
) -> list[str]:
    """Which of some files are left over, missing, or different from those without faults."""
    wrong = []
    for name in names:
        if name not in clean.files:
            wrong.append(f"left over: {nameless(name)}")
        elif name not in found:
            wrong.append(f"missing: {name}")
        elif name not in clean.volatile and found[name] != clean.files[name]:
            wrong.append(f"other bytes: {name}")
    return wrong


def variables() -> dict[str, str]:
    """Variables that make a run's requests the same each time: no progress bars."""
    return {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
