"""The jobs that Snakemake has planned, and which waits for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning_dynamics.plan.price import Job
from tuning_dynamics.study.current import Current
from tuning_dynamics.study.jobs import Jobs
from tuning_dynamics.study.units import EVALUATE, job_name, stage_rule


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
    after = [
        [place[earlier] for earlier in dag.dependencies.get(job, ()) if earlier in place]
        for job in waiting
    ]
    names = [job_name(job.rule.name, tuple(map(str, job.wildcards))) for job in waiting]
    forced = {name for name, job in zip(names, waiting, strict=True) if dag.reason(job).forced}
    outputs = (str(path) for job in waiting for path in job.output)
    jobs.current.planned(outputs, forced)
    priced = [planned_job(jobs, job.rule.name, job.wildcards_dict) for job in waiting]
    return Planned(priced, after, again(jobs.current, names, priced, after))


def again(
    current: Current, names: Sequence[str], jobs: Sequence[Job], after: Sequence[Sequence[int]]
) -> list[tuple[str, list[Job]]]:
    """The reasons to make finished results once more, each with the jobs that run for it.

    A job that runs as one before it does has that one's reasons.
    """
    found: dict[int, tuple[str, ...]] = {}

    def reasons(place: int) -> tuple[str, ...]:
        if place not in found:
            own = current.why(names[place])
            earlier = (text for before in after[place] for text in reasons(before))
            found[place] = (own,) if own else tuple(dict.fromkeys(earlier))
        return found[place]

    groups: dict[str, list[Job]] = {}
    for place, name in enumerate(names):
        if current.finished(name):
            for text in reasons(place):
                groups.setdefault(text, []).append(jobs[place])
    return list(groups.items())


def planned_job(jobs: Jobs, name: str, wildcards: Mapping[str, str]) -> Job:
    """A job of Snakemake's rule of that name; an evaluation with the cells that it would make."""
    rule = stage_rule(name)
    cells = tuple(jobs.due_cells(wildcards["variant"])) if rule == EVALUATE else ()
    return Job(rule, dict(wildcards), cells)
