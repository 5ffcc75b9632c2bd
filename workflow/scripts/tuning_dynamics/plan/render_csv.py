"""A budget as files: budget.csv for programs, budget.html for people."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.rules import TRIALS
from tuning_dynamics.common.variants import parse_variant
from tuning_dynamics.config.device import Range
from tuning_dynamics.plan.budget import Budget, BudgetPart, reasons_of
from tuning_dynamics.plan.page import page
from tuning_dynamics.plan.price import Job
from tuning_dynamics.run.all_jobs import Jobs

#: The environment variable that makes a dry run write the files, and says where.
FOLDER = "TUNING_DYNAMICS_PLAN"

CSV, PAGE = "budget.csv", "budget.html"

COLUMNS = (
    *("by", "name", "jobs", "unknown_jobs", "unit", "hours_low", "hours", "hours_high"),
    *("host_core_hours", "price", "energy_kwh", "wall_hours", "disk_gb"),
)


def write_files(
    folder: Path,
    budget: Budget,
    walls: Mapping[int, float],
    jobs: Jobs,
    again: Iterable[tuple[str, list[Job]]] = (),
) -> None:
    """Write budget.csv and budget.html into `folder`; `walls` are seconds by number of GPUs,
    `again` the reasons of `reasons_of`."""
    parts = {
        "reason": reasons_of(again, budget.prices),
        "stage": budget.stages,
        "train_set": sorted(budget.parts(train_set), key=_place),
        "checkpoint": sorted(budget.parts(checkpoint), key=_place),
        "total": [budget.whole],
    }
    price = jobs.resolved.study.execution.price_per_hour
    with whole_file(folder / CSV) as temporary:
        temporary.write_text(table(budget, parts, walls, price), encoding="utf-8")
    with whole_file(folder / PAGE) as temporary:
        temporary.write_text(page(budget, parts, walls, price, jobs), encoding="utf-8")


def _place(part: BudgetPart) -> tuple[str, int]:
    """Sort key: a family's steps in their order."""
    family, _, step = part.name.partition("/")
    return family, int(step) if step.isdecimal() else -1


def train_set(job: Job) -> str:
    """The train set of a job that tunes or evaluates a model; `(untuned)` without one."""
    if "variant" in job.wildcards:
        return parse_variant(job.wildcards["variant"]).train_set or "(untuned)"
    return job.wildcards["train_set"] if job.rule in TRIALS else ""


def checkpoint(job: Job) -> str:
    """The checkpoint of a job that makes, checks, tunes or evaluates one."""
    if "variant" in job.wildcards:
        variant = parse_variant(job.wildcards["variant"])
        return f"{variant.family}/{variant.step}"
    if job.rule in ("download", "pretrain", "verify", "try_rate_at_checkpoint"):
        return f"{job.wildcards['family']}/{job.wildcards['step']}"
    return f"{job.wildcards['family']}/rates" if job.rule == "try_rate" else ""


def table(
    budget: Budget,
    parts: Mapping[str, list[BudgetPart]],
    walls: Mapping[int, float],
    price_per_hour: float | None,
) -> str:
    """budget.csv: rows by reason to make finished results again, by stage, train set and
    checkpoint, the total, and by number of GPUs."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for by, own in parts.items():
        writer.writerows(_row(by, part, budget, price_per_hour) for part in own)
    writer.writerows(
        {
            "by": "gpus",
            "name": gpus,
            "wall_hours": _number(seconds / 3600),
            "disk_gb": _number(budget.disk.peak(gpus) / 1e9),
        }
        for gpus, seconds in walls.items()
    )
    return stream.getvalue()


def _row(
    by: str, part: BudgetPart, budget: Budget, price_per_hour: float | None
) -> dict[str, object]:
    hours: Range = part.hours
    energy = energy_kwh(budget, hours.mid)
    return {
        "by": by,
        "name": part.name,
        "jobs": part.jobs,
        "unknown_jobs": part.unpriced,
        "unit": budget.device.unit,
        "hours_low": _number(hours.low),
        "hours": _number(hours.mid),
        "hours_high": _number(hours.high),
        "host_core_hours": _number(part.host.mid) if part.host.mid else "",
        "price": "" if price_per_hour is None else _number(price_per_hour * hours.mid),
        "energy_kwh": "" if energy is None else _number(energy),
    }


def energy_kwh(budget: Budget, hours: float) -> float | None:
    """Energy of hours at the device's board power, which it rarely exceeds; None if unknown."""
    watts = budget.device.watts
    return None if watts is None else hours * watts / 1000


def _number(value: float) -> str:
    return f"{value:.6g}"
