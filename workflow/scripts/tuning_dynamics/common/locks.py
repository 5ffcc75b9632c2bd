"""Who works on a study: one run at a time, and none beside jobs that an earlier one left.

Locks of the operating system, unlike files that say so, are gone when their holder is killed, so
that the same command continues.
"""

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tuning_dynamics.common.errors import StudyError

#: In a study's folder: what its run locks, and what each of its jobs locks with others.
RUN_LOCK, JOBS_LOCK = ".lock", ".jobs"

#: Seconds between looks at jobs that an earlier run left, and until that counts as failed. They
#: end within seconds, but for training, which saves its state first.
PAUSE, PATIENCE = 0.5, 300.0

#: How a file system says that it has no locks.
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)

#: Locks of this process; the system lets go of them when it ends, however it ends.
_HELD = ExitStack()


def lock(root: str) -> None:
    """Hold a study for this process; StudyError where another run holds it."""
    Path(root).mkdir(parents=True, exist_ok=True)
    handle = _held(Path(root, RUN_LOCK))
    if not _taken(handle):
        raise StudyError(
            "another run works on this study",
            file=root,
            fix="wait until it ends, or end it",
        )


def let_go() -> None:
    """Let go of what this process holds, for a process of its own."""
    _HELD.close()


def work_on(root: str) -> None:
    """Say for as long as this process lives that a job works on a study.

    Waits while a run begins. A file system without locks is told of, and nothing more.
    """
    handle = _held(Path(root, JOBS_LOCK))
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError as error:
        print(f"{root} takes no locks here ({error})", flush=True)


@contextmanager
def without_jobs(root: str) -> Iterator[None]:
    """Wait until no job works on a study, and have none begin in the block.

    A job ends when its Snakemake is gone, but not at once. StudyError where one does not.
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
    """A file that stays open as long as this process holds what it holds."""
    return _HELD.enter_context(path.open("a"))


def _taken(handle: IO[str]) -> bool:
    """Whether a lock for this process alone is had now; a file system without locks is told of."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(f"{handle.name} takes no locks here ({error}): start one run at a time", flush=True)
    return True
