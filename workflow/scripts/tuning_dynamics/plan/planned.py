"""The jobs that Snakemake has planned, and which waits for which."""

from dataclasses import dataclass
from typing import Any

from tuning_dynamics.plan.price import Job


@dataclass(frozen=True)
class Planned:
    """Exactly the jobs that would run; `after[k]` are the places of those that job k waits for."""

    jobs: list[Job]
    after: list[list[int]]


def planned(workflow: Any) -> Planned:
    """What `workflow`, Snakemake's, has planned."""
    dag = workflow.dag
    waiting = list(dag.needrun_jobs(exclude_finished=False))
    place = {job: number for number, job in enumerate(waiting)}
    return Planned(
        [Job(job.rule.name, dict(job.wildcards_dict)) for job in waiting],
        [
            [place[earlier] for earlier in dag.dependencies.get(job, ()) if earlier in place]
            for job in waiting
        ],
    )
