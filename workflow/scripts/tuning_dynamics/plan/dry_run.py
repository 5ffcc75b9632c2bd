"""The budget at the end of `snakemake -n`, for exactly the jobs that would run."""

import atexit
import logging
import os
import sys
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.plan.basis import Basis, basis_of
from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.limits import refused, unknown, without_weights
from tuning_dynamics.plan.planned_jobs import planned
from tuning_dynamics.plan.power import power_of
from tuning_dynamics.plan.render_csv import FOLDER, write_files
from tuning_dynamics.plan.render_text import budget_text, power_lines, refusal_lines
from tuning_dynamics.plan.schedule import wall_times
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.first_rows import lacking_fields
from tuning_dynamics.run.start import LEFT, ONLY_COUNT


def budget_at_end(workflow: Any, jobs: Jobs) -> None:
    """Make a dry run end with its budget; `workflow` is Snakemake's.

    At exit, since Snakemake runs no hook after a dry run and does not know yet that it is one
    while it reads the Snakefile. Ends the process with only the error's text if the device to plan
    for is unknown.
    """
    try:
        basis = basis_of(jobs.resolved.study, Path(workflow.basedir))
    except StudyError as error:
        raise SystemExit(f"\nThe study cannot begin.\n{error}\n") from None
    errors = _Errors(level=logging.ERROR)
    # The logger that Snakemake gives its own handlers.
    logging.getLogger("snakemake.logging").addHandler(errors)
    atexit.register(_print_if_dry, workflow, jobs, basis, errors)


class _Errors(logging.Handler):
    """Notes whether anything went wrong: an incomplete plan has no budget."""

    seen = False

    def emit(self, record: logging.LogRecord) -> None:
        self.seen = self.seen or record.levelno >= logging.ERROR


def count_left(workflow: Any) -> int:
    """The jobs of a plan that make something."""
    return sum(bool(job.output) for job in workflow.dag.needrun_jobs(exclude_finished=False))


def _print_if_dry(workflow: Any, jobs: Jobs, basis: Basis, errors: _Errors) -> None:
    if errors.seen or not workflow.dryrun or workflow.dag is None:
        return
    if ONLY_COUNT in os.environ:
        jobs.current.digests.keep()  # this check has read all results of the run
        sys.stdout.write(f"{LEFT}{count_left(workflow)}\n")
        return
    plan = planned(workflow, jobs)
    budget = budget_of(jobs.resolved, jobs.grid, plan.jobs, basis)
    walls = wall_times(plan, budget.priced)
    if FOLDER in os.environ:
        write_files(Path(os.environ[FOLDER]), budget, walls, jobs, plan.again)
    lines = jobs.current.version_lines()
    if plan.jobs:
        refusal = (
            unknown(jobs, plan)
            or without_weights(jobs, plan)
            or refused(budget, jobs.resolved.study)
        )
        lines.append(budget_text(budget, jobs.resolved, jobs.grid, walls, plan.again))
        lines += power_lines(power_of(jobs.resolved, jobs.grid, budget.prices.known))
        lines += refusal_lines(refusal)
        lines += [f"\n{error}" for error in lacking_fields(jobs)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
