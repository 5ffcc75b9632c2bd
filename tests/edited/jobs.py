"""Jobs as a dry run names them, and patterns of jobs as expectations name them."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: Rules of evaluation: one per set of settings, or a server and its clients.
EVALUATION = re.compile(r"evaluate\w*|serve|cell")
#: Rules that make no files to keep: the target `all`, and a check.
NOTHING = frozenset({"all", "check"})


class Job(NamedTuple):
    """A job: its stage, and its subject, as the names in a path (`kept/4/base`)."""

    stage: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.stage} {self.of}".strip()


def planned_jobs(text: str) -> set[Job]:
    """The jobs that a dry run lists.

    AssertionError if it lists other jobs than it counts.
    """
    jobs: list[tuple[str, dict[str, str]]] = []
    for line in map(str.strip, text.splitlines()):
        if found := re.fullmatch(r"(?:local)?rule (\w+):", line):
            jobs.append((found[1], {}))
        elif line.startswith("wildcards: "):
            named = line.removeprefix("wildcards: ").split(", ")
            jobs[-1][1].update(part.split("=", 1) for part in named)
    # A dry run counts its jobs before and after it lists them.
    counted = re.findall(r"^total +(\d+)$", text, re.M)
    assert {int(count) for count in counted} <= {len(jobs)}, f"{counted} jobs, {len(jobs)} listed"
    return {_job(rule, wildcards) for rule, wildcards in jobs if rule not in NOTHING}


def _job(rule: str, wildcards: Mapping[str, str]) -> Job:
    if EVALUATION.fullmatch(rule):
        return Job("evaluate", wildcards.get("variant") or "/".join(wildcards.values()))
    return Job(rule, "/".join(wildcards.values()))


def matching(jobs: Iterable[Job], patterns: Iterable[str]) -> set[Job]:
    """The jobs that a pattern matches: a stage, and a regular expression of how `of` begins."""
    parted = [(stage, re.compile(of)) for stage, _, of in (p.partition(" ") for p in patterns)]
    return {
        job for job in jobs if any(job.stage == stage and of.match(job.of) for stage, of in parted)
    }


#: Rules with one job per study.
ONCE = (
    *("merged_config", "overlaps", "datasets", "checkpoints", "scores", "summaries"),
    *("cost", "figures", "findings", "report"),
)


def jobs_of(
    steps: Mapping[str, Iterable[int]], tuned: Iterable[str], sets: Iterable[str]
) -> set[Job]:
    """All jobs of a study of the families `grown`, `kept` and `fetched`.

    `steps` are their evaluated checkpoints, `tuned` the tuned variants, `sets` the evaluation
    sets. What is tuned on is `relations`.
    """
    tuned = list(tuned)
    found = {Job(stage) for stage in ONCE} | {Job("freeze", name) for name in sets}
    for family, own in steps.items():
        points = [f"{family}/{step}" for step in own]
        found |= {Job("evaluate", f"{point}/base") for point in points}
        found |= _making(family, points)
    for variant in tuned:
        family = variant.split("/")[0]
        found |= {Job("tune", variant), Job("evaluate", variant)}
        found.add(Job("encode", f"relations/{family}/default"))
        if family == "fetched":
            found.add(Job("tokenizer", family))
    return found


def _making(family: str, points: Iterable[str]) -> set[Job]:
    if family == "grown":
        return {Job("corpus", family)} | {Job("pretrain", point) for point in points}
    checked = {Job("verify", point) for point in points}
    if family == "kept":
        return checked
    return checked | {Job("download", point) for point in points}
