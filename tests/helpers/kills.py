"""Runs that are killed in the middle, and what must hold after each kill and at the end.

A moment of a run is defined by the work done until then, not by a clock: a stub whose process
has used so many CPU seconds. So it is the same moment on a busy machine and on an idle one.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from repository import Repository, environment

#: Seconds after which a moment that has not come counts as one that never will.
PATIENCE = 1800.0
#: Seconds between checks of the processes.
LOOK = 0.02
#: Files of a study's folder that may differ between runs: the cost of an evaluation adds up.
ADDS_UP = "evaluation.json"
#: How a stub appears in the command of a job's process: a copy under another name.
STUB = re.compile(r"/tmp\w+\.(\w+)\.py$")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A process of a run: Snakemake itself (`stub` is then ""), or a job's."""

    pid: int
    stub: str
    seconds: float


@dataclass
class Run:
    """A command that runs in a process group of its own, and what it prints."""

    repository: Repository
    targets: tuple[str, ...]
    process: "subprocess.Popen[bytes]" = field(init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.repository.folder / "driver.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.repository.command(*self.targets),
                cwd=self.repository.folder,
                env={**environment(), **self.repository.variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What the command has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ended(self) -> bool:
        """Whether the command has come to an end."""
        return self.process.poll() is not None

    def processes(self) -> list[Process]:
        """Snakemake's process and those of its jobs, with the CPU seconds that each has used."""
        driver = self.process.pid
        found = [_process(pid) for pid in (driver, *_children(driver))]
        return [process for process in found if process is not None]

    def wait(self, reached: Callable[["Run"], bool]) -> bool:
        """Wait until a moment of the run has come; whether it did before the run ended."""
        deadline = time.monotonic() + PATIENCE
        while not self.ended():
            if reached(self):
                return True
            assert time.monotonic() < deadline, "the moment to kill at was never reached"
            time.sleep(LOOK)
        return False

    def kill_all(self) -> None:
        """SIGKILL Snakemake and all its jobs, like a power cut."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_driver(self) -> None:
        """SIGKILL Snakemake alone: its jobs are left behind."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop Snakemake itself, so that the run can't end in the block; its jobs continue."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def signal_job(self, stub: str, number: signal.Signals) -> bool:
        """Send a signal to a job's process; return whether there was one."""
        for process in self.processes():
            if process.stub == stub:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
                    return True
        return False


def _children(pid: int) -> Iterator[int]:
    """The processes that a process's threads have started, and theirs."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text().split()):
                yield child
                yield from _children(child)


def _process(pid: int) -> Process | None:
    """A process as in /proc; None if it has ended, or is neither of the two."""
    with suppress(OSError, IndexError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds = (int(fields[11]) + int(fields[12])) / TICKS
        stubs = [match[1] for word in command[:3] if (match := STUB.search(word))]
        if stubs or "snakemake" in command:
            return Process(pid, stubs[0] if stubs else "", seconds)
    return None


def work_of(run: Run) -> dict[str, float]:
    """The most CPU seconds that a process of each stub uses in a run, to its end."""
    most: dict[str, float] = {}

    def look(run: Run) -> bool:
        for process in run.processes():
            most[process.stub] = max(process.seconds, most.get(process.stub, 0.0))
        return False

    run.wait(look)
    assert run.process.returncode == 0, run.said
    return most


@dataclass
class Moment:
    """When a process of a stub has used this many CPU seconds, or has ended before."""

    stub: str
    seconds: float
    seen: set[int] = field(default_factory=set)

    def __call__(self, run: Run) -> bool:
        """Whether the moment has come."""
        there = [process for process in run.processes() if process.stub == self.stub]
        ended = self.seen - {process.pid for process in there}
        self.seen |= {process.pid for process in there}
        return bool(ended) or any(process.seconds >= self.seconds for process in there)


@dataclass(frozen=True)
class Held:
    """Files that a study's records listed at some moment: links to them."""

    made: dict[Path, Path]
    #: Cells that were there and not recorded yet, by variant.
    unrecorded: dict[str, int]

    def made_again(self) -> list[str]:
        """The files that have changed since."""
        return [
            str(path)
            for path, link in self.made.items()
            if not (path.exists() and path.samefile(link))
        ]


def hold(repository: Repository, study: str, folder: Path) -> Held:
    """Hold what the records of a study say is made, in `folder`."""
    results = repository.folder / "results" / study
    cells = list(results.glob("*/**/cells/**/*.parquet"))  # before the records, which come after
    recorded = {
        repository.folder / name
        for path in (results / "records").glob("*/**/*.json")
        for name in _outputs(path)
    }
    made = {}
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(recorded)):
        if path.name != ADDS_UP and path.is_file():
            made[path] = folder / str(number)
            os.link(path, made[path])
    unrecorded: dict[str, int] = {}
    for path in set(cells) - recorded:
        variant = str(path.relative_to(results)).partition("/cells/")[0]
        unrecorded[variant] = unrecorded.get(variant, 0) + 1
    return Held(made, unrecorded)


def _outputs(record: Path) -> list[str]:
    document = json.loads(record.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        return []  # parts of code
    return [name for unit in document.get("units", ()) for name in unit["outputs"]]


def contents(repository: Repository, study: str) -> dict[str, bytes]:
    """The bytes of every file with numbers of a study, except clocks: weights, cells and tables."""
    folder = repository.folder / "results" / study
    files = [
        path
        for pattern in ("*/**/*.safetensors", "*/**/cells/**/*.parquet", "tables/*")
        for path in folder.glob(pattern)
        if path.stem != "cost"
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def leftovers(repository: Repository, study: str) -> list[str]:
    """Half-written files, or files left by a job that has ended."""
    folder = repository.folder / "results" / study
    kept = [path for path in (folder / "scratch").rglob("*") if path.is_file()]
    return [str(path.relative_to(folder)) for path in (*folder.rglob("*.part"), *kept)]
