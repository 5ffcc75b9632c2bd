"""Locks on a study: one run at a time, and none while jobs of an earlier run still work on it.

The operating system releases its locks when their holder is killed, unlike lock files, so the same
command can continue.
"""

import errno
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tuning_dynamics.common.errors import StudyError

#: In a study's folder: the file that its run locks, and the file that its jobs share a lock on.
RUN_LOCK, JOBS_LOCK = ".lock", ".jobs"

#: Seconds between checks on jobs that an earlier run left, and until waiting counts as failed.
#: They end within seconds, except for training, which saves its state first.
PAUSE, PATIENCE = 0.5, 300.0

#: Errors of a file system that has no locks.
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)

#: Locks of this process; the system releases them when it ends, however it ends.
_HELD = ExitStack()


def lock(root: str) -> None:
    """Hold a study for this process; StudyError where another run holds it."""
    Path(root).mkdir(parents=True, exist_ok=True)
    path = Path(root, RUN_LOCK)
    handle = _held(path)
    if not _taken(handle):
        raise StudyError(
            "another run works on this study",
            file=root,
            value=path.read_text(encoding="utf-8"),
            fix="wait until it ends, or end it (kill PROCESS, there); then run the same command "
            "again",
        )
    handle.truncate(0)
    handle.write(f"process {os.getpid()} on {platform.node()}")
    handle.flush()


def let_go() -> None:
    """Release the locks of this process, so that a process that it starts can take them."""
    _HELD.close()


def work_on(root: str) -> None:
    """Mark, as long as this process lives, that a job works on a study.

    Waits while a run begins. A file system without locks is only reported.
    """
    handle = _held(Path(root, JOBS_LOCK))
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError as error:
        print(f"{root} takes no locks here ({error})", flush=True)


@contextmanager
def without_jobs(root: str) -> Iterator[None]:
    """Wait until no job works on a study, and let none begin in the block.

    A job ends soon after its Snakemake is gone. StudyError if one does not.
    """
    with Path(root, JOBS_LOCK).open("a") as handle:
        deadline = time.monotonic() + PATIENCE
        if not _taken(handle):
            print("Waiting for jobs that an earlier run left to end", flush=True)
            while not _taken(handle):
                _require_time(deadline, handle.name)
                time.sleep(PAUSE)
        yield


def _require_time(deadline: float, file: str) -> None:
    if time.monotonic() > deadline:
        raise StudyError(
            f"jobs that an earlier run left did not end within {PATIENCE:.0f} seconds",
            file=file,
            fix="end them; or, if there is none, delete this file; then run the same command again",
        )


def _held(path: Path) -> IO[str]:
    """A lock file that stays open until this process ends or releases its locks."""
    return _HELD.enter_context(path.open("a"))


def _taken(handle: IO[str]) -> bool:
    """Whether this process now has an exclusive lock; a file system without locks is reported."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(f"{handle.name} takes no locks here ({error}): start one run at a time", flush=True)
    return True
