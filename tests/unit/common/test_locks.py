"""One run works on a study at a time, and none while jobs that an earlier one left still run."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tuning_dynamics.common import locks
from tuning_dynamics.common.errors import StudyError

OTHER = """
import sys, time
from tuning_dynamics.common import locks
getattr(locks, sys.argv[1])(sys.argv[2])
print("holds", flush=True)
time.sleep(60)
"""


def other(what: str, root: Path) -> "subprocess.Popen[str]":
    """Another process that holds a study as a run or as a job does."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, what, str(root)],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    first = other("lock", tmp_path)
    with pytest.raises(StudyError, match="another run works on this study"):
        locks.lock(str(tmp_path))
    locks.let_go()
    end(first)
    locks.lock(str(tmp_path))
    locks.let_go()
    end(other("lock", tmp_path))


def test_a_run_waits_for_the_jobs_of_an_earlier_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = [other("work_on", tmp_path) for _ in range(2)]
    threading.Timer(1.2, lambda: [end(process) for process in left]).start()
    began = time.monotonic()
    with locks.without_jobs(str(tmp_path)):
        assert time.monotonic() - began > 1
    assert capsys.readouterr().out.count("Waiting for jobs") == 1


def test_a_job_that_does_not_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 1.0)
    left = other("work_on", tmp_path)
    with (
        pytest.raises(StudyError, match="did not end within 1 seconds"),
        locks.without_jobs(str(tmp_path)),
    ):
        pass
    end(left)


def test_a_job_waits_while_a_run_begins(tmp_path: Path) -> None:
    with locks.without_jobs(str(tmp_path)):
        job = subprocess.Popen(
            [sys.executable, "-c", OTHER, "work_on", str(tmp_path)],
            env={"PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(2)
        assert job.poll() is None
        began = time.monotonic()
    assert job.stdout is not None
    assert job.stdout.readline() == "holds\n"
    assert time.monotonic() - began < 30
    end(job)
