"""A job ends with the Snakemake that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tuning_dynamics.study.stub import DRIVER

JOB = """
import sys, time
from tuning_dynamics.study.stub import logged
with logged(sys.argv[1]):
    print("began", flush=True)
    time.sleep(60)
"""


def job(log: Path, driver: int) -> subprocess.Popen[bytes]:
    """A job that sleeps, told that `driver` started it."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SLURM")},
        "PYTHONPATH": os.pathsep.join(sys.path),
        DRIVER: str(driver),
    }
    return subprocess.Popen([sys.executable, "-c", JOB, str(log)], env=environment)


def wait_for(text: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not log.is_file() or text not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_ends_when_its_snakemake_is_killed(tmp_path):
    # The killed one stays a zombie until it is waited for, as under a shell that is busy.
    driver = subprocess.Popen(["sleep", "60"])
    running = job(tmp_path / "log", driver.pid)
    wait_for("began", tmp_path / "log")
    driver.kill()
    assert running.wait(timeout=30) == -signal.SIGTERM
    assert "is gone" in (tmp_path / "log").read_text()
    driver.wait()


def test_a_snakemake_that_cannot_be_seen_is_not_followed(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    running = job(tmp_path / "log", gone.pid)
    wait_for("began", tmp_path / "log")
    time.sleep(2.5)
    assert running.poll() is None
    running.kill()
    running.wait()
