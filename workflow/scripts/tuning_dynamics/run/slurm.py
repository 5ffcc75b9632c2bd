"""A run on SLURM: its requirements are checked before any job is submitted, and jobs that an
earlier run left behind are ended before this one writes.

A killed Snakemake leaves its jobs on the cluster. They would write where the next run's jobs write,
so the next run ends them first. Nothing is lost: training saves its state on a signal to end, and
cells are kept as they are finished.
"""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import read_yaml

#: Seconds between checks on cancelled jobs, and until cancelling counts as failed. SLURM itself
#: kills a job 30 seconds after asking it to end, unless the cluster's KillWait is longer.
PAUSE, PATIENCE = 2.0, 300.0
#: Seconds until a command that SLURM did not answer is repeated, and until giving up: a busy
#: controller sometimes does not answer.
AGAIN, ANSWER_WITHIN = 3.0, 60.0
#: The beginning of SLURM's reason for a waiting job that a node failed to start.
NOT_STARTED = "launch failed"


def require_cluster(workflow: Any, gpu: int) -> None:
    """StudyError if SLURM is not available, or a partition of the profile does not exist.

    `workflow` is Snakemake's, about to submit jobs to SLURM, some of which ask for `gpu` GPUs.
    """
    for tool in ("sbatch", "squeue", "scancel", "sinfo"):
        if shutil.which(tool) is None:
            raise StudyError(
                "SLURM is not available: the command is not found",
                key="PATH",
                value=tool,
                fix="run on a login node of the cluster (or load its SLURM module), or leave "
                "out --profile slurm to run here",
            )
    file = workflow.executor_settings.partition_config
    if file is not None:
        _require_partitions(Path(file), gpu)


def _require_partitions(file: Path, gpu: int) -> None:
    listed = read_yaml(file)["partitions"]
    there = set(_output_of("sinfo", "--noheader", "--format=%R").split())
    missing = sorted(set(listed) - there)
    if missing:
        raise StudyError(
            "the cluster has no such partition",
            file=file,
            key="partitions",
            value=missing,
            fix=f"name the cluster's own partitions there: it has {', '.join(sorted(there))}",
        )
    if max((limits.get("max_gpu", 0) for limits in listed.values()), default=0) < gpu:
        raise StudyError(
            "no partition has GPUs, and the study's models ask for one",
            file=file,
            key="max_gpu",
            fix="give max_gpu for a partition that has them, or set execution.device to cpu",
        )


def end_orphans(note: Path, run: str | None) -> None:
    """End the SLURM jobs of the run that `note` names, wait until they are gone, and note `run`.

    `run` is the name of this run's jobs, None if they run on this machine. StudyError if jobs may
    be left and cannot be found or ended.
    """
    if note.is_file():
        noted = read_json(note)
        earlier = noted.get("run") if isinstance(noted, dict) else None
        if not isinstance(earlier, str):
            raise StudyError(
                "the note on an earlier run's SLURM jobs is damaged",
                file=note,
                key="run",
                value=noted,
                fix="look for jobs of the study with squeue; when none is left, delete this file",
            )
        if shutil.which("squeue") is None:
            raise StudyError(
                "an earlier run of this study may have left jobs on SLURM, which is not available",
                file=note,
                value=earlier,
                fix="run where squeue is found; or, if no such job is left, delete this file",
            )
        _end(earlier)
    if run is None:
        note.unlink(missing_ok=True)
    else:
        write_json(note, {"run": run})


def _end(run: str) -> None:
    """Cancel a run's jobs and wait until SLURM has forgotten them."""
    left = listed_jobs(run, ended=False)
    if not left:
        return
    print(f"Ending {len(left)} SLURM jobs of an earlier run: {', '.join(left)}", flush=True)
    deadline = time.monotonic() + PATIENCE
    while left := listed_jobs(run, ended=False):
        # Not checked, and repeated: one job may just have ended, another just been put back into
        # the queue.
        cancel(left)
        if time.monotonic() > deadline:
            raise StudyError(
                f"SLURM jobs of an earlier run did not end within {PATIENCE:.0f} seconds",
                value=left,
                fix="see `squeue --me`, end them (scancel), and run the same command again",
            )
        time.sleep(PAUSE)


def listed_jobs(run: str, *, ended: bool) -> list[str]:
    """Ids of a run's jobs that wait, run or are ending, and with `ended` of those that ended.

    StudyError if SLURM does not answer.
    """
    states = ["--states=all"] if ended else []
    return _output_of("squeue", "--noheader", "--format=%A", f"--name={run}", *states).split()


def jobs_not_started(run: str) -> list[str]:
    """Ids of a run's jobs that no node could start, and that SLURM therefore holds in the queue.

    Jobs held by a user are not included. StudyError if SLURM does not answer.
    """
    rows = _output_of("squeue", "--noheader", "--states=PENDING", "--format=%A %r", f"--name={run}")
    waiting = [line.replace("_", " ").partition(" ")[::2] for line in rows.splitlines()]
    return [job for job, reason in waiting if reason.startswith(NOT_STARTED)]


def cancel(jobs: list[str]) -> None:
    """Make SLURM end these jobs; it is not an error if one has ended meanwhile."""
    if jobs:
        subprocess.run(["scancel", "--quiet", *jobs], check=False)


def _output_of(*command: str) -> str:
    """The output of a SLURM command; StudyError if it fails for ANSWER_WITHIN seconds."""
    deadline = time.monotonic() + ANSWER_WITHIN
    while (done := _run(command)).returncode and time.monotonic() < deadline:
        time.sleep(AGAIN)
    if done.returncode:
        raise StudyError(
            f"SLURM does not answer: {done.stderr.strip()}",
            key=command[0],
            value=" ".join(command),
            fix="try the command by hand; the cluster's controller may be down",
        )
    return done.stdout


def _run(command: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)
