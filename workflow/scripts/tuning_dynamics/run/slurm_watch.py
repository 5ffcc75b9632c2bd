"""Counts jobs that SLURM has forgotten, or holds, as failed, so that they are submitted again.

The plugin assumes that a job that SLURM doesn't list is not listed yet, and would wait for it
forever. This happens if the controller lost its last seconds, or if Snakemake was stopped for
longer than SLURM remembers an ended job (MinJobAge). It would also wait forever for a job that a
node could not start, which SLURM puts back into the queue and holds there.
"""

import threading
import time
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.run.slurm import cancel, jobs_not_started, listed_jobs

#: Seconds between checks; a job that is missing twice in a row is forgotten.
PAUSE = 30.0


def watch(executor: Any, run: str) -> None:
    """Watch the jobs of `executor`, Snakemake's for SLURM, until it ends.

    `run` is the name of its jobs.
    """
    threading.Thread(target=_watch, args=(executor, run), daemon=True).start()


def _watch(executor: Any, run: str) -> None:
    missing: set[str] = set()
    while executor.wait:
        time.sleep(PAUSE)
        try:
            cancel(jobs_not_started(run))
            missing = look(executor, listed_jobs(run, ended=True), missing)
        except StudyError:
            continue  # the controller does not answer: that says nothing about a job


def look(executor: Any, listed: list[str], missing: set[str]) -> set[str]:
    """Fail the active jobs that are not `listed` and were `missing` before; returns the missing."""
    with executor.lock:
        gone = [job for job in executor.active_jobs if job.external_jobid not in listed]
        lost = [job for job in gone if job.external_jobid in missing]
        for job in lost:
            executor.active_jobs.remove(job)
    for job in lost:
        executor.report_job_error(
            job, msg=f"SLURM no longer knows job {job.external_jobid}, and not how it ended. "
        )
    return {job.external_jobid for job in gone}
