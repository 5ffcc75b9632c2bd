"""Jobs that SLURM has forgotten, or holds, are counted as failed, so that they are sent again.

The plugin takes a job that SLURM doesn't list for one that it doesn't list yet, and would wait
for it for ever. It happens where the controller lost its last seconds, or where Snakemake was
stopped for longer than SLURM remembers an ended job (MinJobAge). It would also wait for ever for
a job that a node could not start, which SLURM puts back into the queue and holds there.
"""

import threading
import time
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.run.slurm import cancel, jobs_not_started, listed_jobs

#: Seconds between looks; a job that is missing twice in a row is forgotten.
PAUSE = 30.0


def watch(executor: Any, run: str) -> None:
    """Look after the jobs of `executor`, Snakemake's for SLURM, until it ends.

    `run` is the name that its jobs carry.
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
            continue  # the controller is away: that says nothing of a job


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
