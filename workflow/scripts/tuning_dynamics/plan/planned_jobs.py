"""The jobs that Snakemake has planned, and their dependencies."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from tuning_dynamics.identity.reasons import Reason, described
from tuning_dynamics.identity.units import EVALUATE, job_name, stage_rule
from tuning_dynamics.plan.price import Job
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.views import recorded, view_of_planned


@dataclass(frozen=True)
class Planned:
    """Exactly the jobs that would run; `after[k]` are the places of the jobs that job k waits for.

    `again` are reasons to make finished results again, each with the jobs that run for it.
    """

    jobs: list[Job]
    after: list[list[int]]
    again: Sequence[tuple[str, list[Job]]] = ()


def planned(workflow: Any, jobs: Jobs) -> Planned:
    """The plan of a study in `workflow`, Snakemake's."""
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
    # Cells of evaluations are added below.
    views = (view_of_planned(job) for job in waiting if recorded(job))
    others = (view for view in views if stage_rule(view.rule) != EVALUATE)
    jobs.current.planned(outputs, forced, others)
    priced = [planned_job(jobs, job.rule.name, job.wildcards_dict) for job in waiting]
    firsts = [next((str(path) for path in job.output), "") for job in waiting]
    own = [jobs.current.why(*job) for job in zip(names, firsts, strict=True)]
    finished = [jobs.current.finished(name) for name in names]
    return Planned(priced, after, again(own, finished, priced, after))


def again(
    own: Sequence[Sequence[Reason]],
    finished: Sequence[bool],
    jobs: Sequence[Job],
    after: Sequence[Sequence[int]],
) -> list[tuple[str, list[Job]]]:
    """The reasons to make finished results again, each with the jobs that run for it.

    `own` are the reasons of each job; one without reasons runs because jobs before it do, and has
    theirs. The same reason for several files counts as one.
    """
    found: dict[int, tuple[Reason, ...]] = {}
    for place in TopologicalSorter(dict(enumerate(after))).static_order():
        earlier = (reason for before in after[place] for reason in found[before])
        found[place] = tuple(dict.fromkeys(own[place] or earlier))
    files: dict[str, dict[str, None]] = defaultdict(dict)
    places: dict[str, dict[int, None]] = defaultdict(dict)
    for place in (place for place, made in enumerate(finished) if made):
        for reason in found[place]:
            files[reason.what][reason.file] = None
            places[reason.what][place] = None
    return [
        (described(what, list(files[what])), [jobs[place] for place in own])
        for what, own in places.items()
    ]


def planned_job(jobs: Jobs, name: str, wildcards: Mapping[str, str]) -> Job:
    """A job of Snakemake's rule with this name; an evaluation with the cells that it would make."""
    rule = stage_rule(name)
    cells = tuple(jobs.evaluate.due_cells(wildcards["variant"])) if rule == EVALUATE else ()
    return Job(rule, dict(wildcards), cells)
