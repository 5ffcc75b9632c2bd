"""The jobs that Snakemake has planned."""

from typing import Any

from tuning_dynamics.plan.price import Job


def planned_jobs(workflow: Any) -> list[Job]:
    """Exactly the jobs that would run; `workflow` is Snakemake's, and has its jobs."""
    return [
        Job(job.rule.name, dict(job.wildcards_dict))
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
    ]
