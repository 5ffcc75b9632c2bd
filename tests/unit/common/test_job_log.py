"""A job ends with the Snakemake that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tuning_dynamics.common.job_log import DRIVER, this_process

JOB = """
import sys, time
from tuning_dynamics.common.job_log import logged
with logged(sys.argv[1]):
    print("began", flush=True)
    time.sleep(60)
"""


def job(log: Path, driver: int, place: str | None = None) -> subprocess.Popen[bytes]:
    """A job that sleeps, as if started by `driver`, here or in another `place`."""
    here = this_process().partition(" ")[2]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SLURM")},
        "PYTHONPATH": os.pathsep.join(sys.path),
        DRIVER: f"{driver} {here if place is None else place}",
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


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_job_whose_snakemake_is_gone_before_it_begins_does_not_begin(tmp_path):
    running = job(tmp_path / "log", gone())
    assert running.wait(timeout=30) == 1
    text = (tmp_path / "log").read_text()
    assert "the Snakemake that started this job is gone" in text
    assert "began" not in text


def test_a_snakemake_that_cannot_be_seen_is_not_followed(tmp_path):
    running = job(tmp_path / "log", gone(), "pid:[a container's]")
    wait_for("began", tmp_path / "log")
    time.sleep(2.5)
    assert running.poll() is None
    running.kill()
    running.wait()


def test_a_panic_of_a_library_ends_a_job_in_words(tmp_path):
    """As tokenizers raises it for a pattern that would search for ever."""
    program = """
import sys
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tuning_dynamics.common.job_log import logged
with logged(sys.argv[1]):
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(a|aa)+$"), "isolated")
    tokenizer.encode("a" * 40 + "!")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), DRIVER: ""}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], env=environment)
    assert done.returncode == 1
    last = (tmp_path / "log").read_text().splitlines()[-3:]
    assert [line.split(":")[0].strip() for line in last[1:]] == ["value", "fix"]
    assert "retry-limit" in last[1]
    assert "tokenizer.json" in last[2]
