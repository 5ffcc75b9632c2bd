"""The processes of this machine, as /proc shows them."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process; `node` and `job` say where SLURM runs it ("" where it doesn't), `output` is the
    file that it prints to."""

    pid: int
    parent: int
    command: str
    folder: str
    node: str
    job: str
    output: str


def processes() -> list[Process]:
    """All processes that see the same files as this one (no other container's)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                if os.readlink(entry / "ns/mnt") == os.readlink("/proc/self/ns/mnt"):
                    found.append(_read(entry))
    return found


def _read(entry: Path) -> Process:
    texts = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
    variables = dict(text.split("=", 1) for text in texts if "=" in text)
    # The name, in brackets, may hold anything; what follows it doesn't.
    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    return Process(
        int(entry.name),
        parent,
        command.strip(),
        os.readlink(entry / "cwd"),
        variables.get("SLURMD_NODENAME", ""),
        variables.get("SLURM_JOB_ID", ""),
        os.readlink(entry / "fd/1"),
    )


def signal_all(targets: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to processes, those that have ended meanwhile left out."""
    for process in targets:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and was never waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
