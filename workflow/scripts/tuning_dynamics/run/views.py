"""Views for `identity` of the jobs that Snakemake has planned, without importing Snakemake."""

from pathlib import Path
from typing import Any

from tuning_dynamics.identity.job import named_files
from tuning_dynamics.identity.units import JobView


def view_of_planned(job: Any) -> JobView:
    """The view for `identity` of a job that Snakemake has planned."""
    return JobView(
        job.rule.name,
        tuple(str(value) for value in job.wildcards_dict.values()),
        Path(str(job.rule.script)).name,
        dict(job.params.items()),
        named_files(job.input),
        [str(path) for path in job.output],
    )


def recorded(job: Any) -> bool:
    """Whether a job has a record: it runs a stub and has outputs."""
    return bool(job.rule.script and job.output)
