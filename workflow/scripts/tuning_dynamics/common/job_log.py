"""What every job's stub shares: its log, and errors reported on one screen."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tuning_dynamics.common.disk_full import system_error
from tuning_dynamics.common.errors import StudyError

#: The environment variable with the process that started a job (`this_process`).
DRIVER = "TUNING_DYNAMICS_DRIVER"

#: The environment variable with the id of a job's run.
RUN = "TUNING_DYNAMICS_RUN"

#: The line of a job's log before the error that ended it.
FAILED = "The job ends with an error:"

#: The line before a traceback.
_TRACEBACK = "Traceback (most recent call last):"


@contextmanager
def logged(log: Any) -> Iterator[Callable[[str], None]]:
    """Send everything the block prints to the job's log, and end the job with its Snakemake.

    It yields a function that prints a text to both the log and the terminal.

    A StudyError ends the job with its text alone, and so does an error of the system, such as a
    full disk, or a panic of a library; anything else keeps its traceback.
    """
    terminal = os.dup(2)
    try:
        _send_to(log)
        _print_job()
        _follow_driver()
        yield partial(_say_to_both, terminal)
    except StudyError as error:
        _say(error, terminal)
        raise SystemExit(1) from None
    except Exception as error:
        found = system_error(error, Path(str(log)).parent)
        if found is None:
            raise
        _say(found, terminal)
        raise SystemExit(1) from None
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        _say(_panicked(error), terminal)
        raise SystemExit(1) from None


#: The class of what libraries in Rust, such as tokenizers, raise where they panic: no Exception.
PANIC = "PanicException"


def _panicked(error: BaseException) -> StudyError:
    return StudyError(
        "a library gave up in code that is not Python's",
        value=" ".join(str(error).split()),
        fix="if it speaks of a pattern (Regex, Onig) or a token, the checkpoint's tokenizer.json "
        "is damaged or does not fit this text: save it again, or use another checkpoint",
    )


def _send_to(log: Any) -> None:
    """Redirect this process's output to a file.

    It redirects the file descriptors, so that messages of compiled libraries are caught too.
    """
    target = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)


def _say(error: StudyError, terminal: int) -> None:
    """Write an error to the log, or to the terminal if the log can't be written.

    The log may lie on the disk that is full or broken, and so may SLURM's.
    """
    text = f"{FAILED}\n{error}\n".encode()
    with suppress(OSError):
        sys.stdout.flush()
    for stream in (2, terminal):
        with suppress(OSError):
            if os.write(stream, text) == len(text):
                return


def failure_in(log: Path) -> str | None:
    """The error that ended a job, from its log: its text, or the last line of a traceback with
    what to do. None if the log has neither."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = text.rpartition(f"{FAILED}\n")[2].splitlines() if FAILED in text else []
    if lines:
        # What libraries print when the process ends is not part of it.
        last = next((n for n, line in enumerate(lines) if line.startswith("  fix:")), len(lines))
        return "\n".join(lines[: last + 1])
    if _TRACEBACK not in text:
        return None
    raised = text.rpartition(_TRACEBACK)[2].splitlines()
    last_line = next((line for line in raised if line and not line[0].isspace()), "unknown")
    return (
        f"an error of the program: {last_line}\n"
        "  fix:   it is a mistake of ours: report it with the log"
    )


def _say_to_both(terminal: int, text: str) -> None:
    print(text, flush=True)
    os.write(terminal, f"\n{text}\n".encode())


def leave() -> None:
    """End this process at once when its work is done: Python would first free the objects of
    libraries, which takes a tenth of a job's start-up time."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _print_job() -> None:
    """Print which SLURM job this is, if it is one."""
    if "SLURM_JOB_ID" in os.environ:
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
        job, node = os.environ["SLURM_JOB_ID"], os.environ.get("SLURMD_NODENAME", "")
        print(f"SLURM job {job} on node {node}, GPUs {gpus}", flush=True)


def this_process() -> str:
    """This process as other processes may see it: its id and the namespace of that id."""
    return f"{os.getpid()} {_namespace()}"


def _namespace() -> str:
    """The namespace of process ids: a container may have its own; "" if it is unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:  # no such file unless the system is Linux
        return ""


def _follow_driver() -> None:
    """Have SIGTERM sent to this process when the Snakemake that started it is gone.

    Otherwise the study's next run would start the same job while this one runs. On SIGTERM,
    training saves its state and everything else ends. StudyError if Snakemake is gone already.
    """
    driver, _, namespace = os.environ.get(DRIVER, "").partition(" ")
    # A process that is not visible from here can't be followed.
    if not driver or namespace != _namespace():
        return
    if not _runs(int(driver)):
        raise StudyError(
            "the Snakemake that started this job is gone", fix="run the same command again"
        )
    threading.Thread(target=end_with, args=(int(driver),), daemon=True).start()


def end_with(starter: int) -> None:
    """Send this process SIGTERM when another one is gone."""
    while _runs(starter):
        time.sleep(1)
    print("the process that started this one is gone; ending", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _runs(process: int) -> bool:
    """Whether a process of ours runs; a zombie counts as ended."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):  # the latter: another user's process with that id
        return False
    with suppress(OSError):  # no such file unless the system is Linux
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] != "Z"
    return True
