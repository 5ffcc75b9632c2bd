"""Checks that edits planned and trained only what they may."""

from collections.abc import Iterable, Sequence

from edited.edits.edit import TRAINED, Edit
from edited.jobs import Job, jobs_of, matching

SETS = ("relations", "plants", "notices")
#: All jobs of `own/study.yaml`.
STUDY = jobs_of(
    {"grown": (2, 4), "kept": (2, 4), "fetched": (2, 4)},
    (
        *(f"{family}/4/whole/relations/seed0" for family in ("grown", "kept", "fetched")),
        "kept/4/adapter/relations/seed0",
    ),
    SETS,
)
#: What the tests ask for of `own/brief.yaml`, and all jobs of it.
TARGETS = [f"results/edited/tables/{name}.csv" for name in ("scores", "checkpoints", "datasets")]
BRIEF = jobs_of(
    {"kept": (4,), "fetched": (4,)}, ("fetched/4/whole/relations/seed0",), ("relations", "plants")
) - {Job(stage) for stage in ("summaries", "cost", "figures", "findings", "report")}


def wrongly_planned(planned: set[Job], edits: Sequence[Edit], study: set[Job]) -> list[str]:
    """Jobs that a plan lacks, which leaves results stale, and jobs that it has without need."""
    joining = {job for edit in edits for job in edit.joins}
    there = study | joining
    leaving = matching(there - joining, (p for edit in edits for p in edit.leaves))
    must = joining | matching(there - leaving, (p for edit in edits for p in edit.must))
    followed = (p for edit in edits for p in (*edit.must, *edit.may, *edit.follows))
    may = must | matching(planned, followed)
    return [*_listed("not planned", must - planned), *_listed("needless", planned - may)]


def wrongly_trained(trained: set[Job], edits: Sequence[Edit]) -> list[str]:
    """Jobs that trained without need."""
    joining = {job for edit in edits for job in edit.joins if job.stage in TRAINED}
    may = joining | matching(trained, (p for edit in edits for p in edit.training))
    return _listed("trained without need", trained - may)


def _listed(what: str, jobs: Iterable[Job]) -> list[str]:
    return [f"{what}: {job}" for job in sorted(jobs)]
