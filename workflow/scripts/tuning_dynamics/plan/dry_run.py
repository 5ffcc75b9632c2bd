"""The budget at the end of `snakemake -n`, of exactly the jobs that would run."""

import atexit
import logging
import sys
from typing import Any

from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.price import Job
from tuning_dynamics.plan.tell import tell
from tuning_dynamics.study.jobs import Jobs


def budget_at_end(workflow: Any, jobs: Jobs) -> None:
    """Have a dry run end with its budget; `workflow` is Snakemake's.

    At exit, since Snakemake runs no hook after a dry run and does not know yet, while it reads
    the Snakefile, that it is one.
    """
    errors = _Errors(level=logging.ERROR)
    # The logger that Snakemake gives its own handlers.
    logging.getLogger("snakemake.logging").addHandler(errors)
    atexit.register(_tell_if_dry, workflow, jobs, errors)


class _Errors(logging.Handler):
    """Notes whether anything went wrong: half a plan has no budget."""

    seen = False

    def emit(self, record: logging.LogRecord) -> None:
        self.seen = self.seen or record.levelno >= logging.ERROR


def _tell_if_dry(workflow: Any, jobs: Jobs, errors: _Errors) -> None:
    if errors.seen or not workflow.dryrun or workflow.dag is None:
        return
    planned = [
        Job(job.rule.name, dict(job.wildcards_dict))
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
    ]
    if planned:
        sys.stdout.write(tell(budget_of(jobs.resolved, planned), jobs.resolved, jobs.grid) + "\n")
