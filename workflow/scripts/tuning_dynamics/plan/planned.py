"""The jobs that Snakemake has planned, and which waits for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning_dynamics.plan.price import Job
from tuning_dynamics.study.jobs import Jobs

#: How the names of the rules begin that evaluate variants, one for each set of settings.
EVALUATING = "evaluate_"


@dataclass(frozen=True)
class Planned:
    """Exactly the jobs that would run; `after[k]` are the places of those that job k waits for.

    `again` are reasons to make finished results once more, each with the jobs that run for it.
    """

    jobs: list[Job]
    after: list[list[int]]
    again: Sequence[tuple[str, list[Job]]] = ()


def planned(workflow: Any, jobs: Jobs) -> Planned:
    """What `workflow`, Snakemake's, has planned of a study."""
    dag = workflow.dag
    waiting = list(dag.needrun_jobs(exclude_finished=False))
    place = {job: number for number, job in enumerate(waiting)}
    return Planned(
        [planned_job(jobs, job.rule.name, job.wildcards_dict) for job in waiting],
        [
            [place[earlier] for earlier in dag.dependencies.get(job, ()) if earlier in place]
            for job in waiting
        ],
    )


def planned_job(jobs: Jobs, name: str, wildcards: Mapping[str, str]) -> Job:
    """A job of Snakemake's rule of that name; an evaluation with the cells that it would make."""
    rule = stage_rule(name)
    cells = tuple(jobs.due_cells(wildcards["variant"])) if rule == "evaluate" else ()
    return Job(rule, dict(wildcards), cells)


def stage_rule(name: str) -> str:
    """What a rule of Snakemake's is called here: all that evaluate are one."""
    return "evaluate" if name.startswith(EVALUATING) else name
