"""Makes a device's calibration from the cost table of a study that ran on it."""

import csv
import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from math import sqrt
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

import yaml

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.rules import RULES
from tuning_dynamics.config.device import Device, device_of
from tuning_dynamics.config.load import load_study
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.calibration import Calibration, Fit, Mean, calibration_path
from tuning_dynamics.plan.price import LIKELY
from tuning_dynamics.plan.recorded import planned
from tuning_dynamics.plan.sizes import Known
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.parts import settings

#: The smallest share of a job's time that counts as its work rather than its start.
LEAST_WORK = 0.05

#: Packages whose versions a calibration states.
PACKAGES = ("torch", "transformers", "peft")

HEAD = """\
# How long jobs take on this device, relative to the equations of the cost model: written by
# `snakemake calibrate` from the cost table of a study, used by every budget for this device.
# It can be shared: it names no person, host or path. docs/cost.md says how it is made.
"""


@dataclass(frozen=True)
class Taken:
    """A job that ran: likely seconds of work by the equations, seconds that it took, those of them
    that were not work (None: not measured), weights of its model."""

    work: float
    seconds: float
    start: float | None
    weights: float


def calibrate(config: Mapping[str, Any], root: Path) -> Path:
    """Write the calibration of the device that a study's config plans for, and return its path.

    StudyError if the study has no cost table yet, or ran on another device.
    """
    file = "the study's config"
    jobs = Jobs(load_study(settings(config), root, file), file)
    study = jobs.resolved.study
    device = device_of(study, root)
    rows = _rows(Path(jobs.paths.table("cost")))
    _same_device(rows, device, study.execution.plan_for)
    made = calibration(jobs, rows, device, date.today().isoformat())
    path = calibration_path(study, root)
    with whole_file(path) as temporary:
        text = yaml.safe_dump(made.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        temporary.write_text(HEAD + text, encoding="utf-8")
    return path


def _rows(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The rows of a cost table by stage and job."""
    if not path.is_file():
        raise StudyError(
            "there is no cost table to calibrate with",
            file=path,
            fix="run the study first; a small one will do, such as the demo's on CPUs",
        )
    with path.open(encoding="utf-8", newline="") as stream:
        return {(row["stage"], row["job"]): row for row in csv.DictReader(stream)}


def _same_device(rows: Mapping[Any, dict[str, str]], device: Device, name: str) -> None:
    others = {row["gpu"] for row in rows.values()} - {"", *device.known_as}
    if others:
        raise StudyError(
            f"the study did not run on {device.name}",
            key="execution.plan_for",
            value=name,
            fix=f"plan for what it ran on ({', '.join(sorted(others))}), or add that name to "
            f"known_as of devices/{name}.yaml if it is the same device",
        )


def calibration(
    jobs: Jobs, rows: Mapping[tuple[str, str], dict[str, str]], device: Device, day: str
) -> Calibration:
    """The calibration from the rows of a study's cost table.

    StudyError if there is no job of a model.
    """
    study, known = jobs.resolved.study, Known(jobs.resolved)
    taken: dict[str, list[Taken]] = defaultdict(list)
    means: dict[str, list[float]] = defaultdict(list)
    for record, price in planned(jobs, Basis(device)):
        row = rows.get((record.stage, record.name))
        if row is None or price.unknown or not row["seconds"]:
            continue
        seconds, rule = float(row["seconds"]), record.job.rule
        priced_as = RULES[rule].priced_as
        if priced_as is None:
            means[rule].append(seconds)
            continue
        work = price.seconds.mid - LIKELY.start
        weights = known.size(record.job.family).parameters
        taken[priced_as].append(Taken(work, seconds, _start(row), weights))
    if not taken:
        raise StudyError(
            "no job of a model is in the cost table",
            file=jobs.paths.table("cost"),
            fix="run a study that evaluates at least one model",
        )
    starts = [job.start for own in taken.values() for job in own if job.start is not None]
    usual = median(starts) if starts else 0.0
    return Calibration(
        device=study.execution.plan_for,
        study=study.study,
        cells=len(jobs.grid.cells),
        jobs=sum(len(own) for own in taken.values()) + sum(len(own) for own in means.values()),
        date=day,
        machine=_machine(rows),
        software=_software(),
        fits={kind: fitted(own, usual) for kind, own in sorted(taken.items())},
        rules={rule: averaged(own) for rule, own in sorted(means.items())},
    )


def _start(row: dict[str, str]) -> float | None:
    """Seconds of a job in which it did not process tokens."""
    if not row["tokens"] or not row["tokens_per_second"] or not float(row["tokens_per_second"]):
        return None
    return max(0.0, float(row["seconds"]) - float(row["tokens"]) / float(row["tokens_per_second"]))


def fitted(taken: Sequence[Taken], usual: float) -> Fit:
    """A start, the median of the jobs', and the factor that makes their total correct.

    Jobs that count no tokens get the `usual` start, that of all kinds.
    """
    starts = [job.start for job in taken if job.start is not None]
    seconds = sum(job.seconds for job in taken)
    # One long start must not make the work of other jobs negative.
    most = (1 - LEAST_WORK) * seconds / len(taken)
    start = min(median(starts) if starts else usual, most)
    work = sum(job.work for job in taken)
    factor = (seconds - start * len(taken)) / work
    shares = [job.seconds / (start + factor * job.work) for job in taken]
    low, high = spread(shares)
    weights = [job.weights for job in taken]
    return Fit(
        jobs=len(taken),
        start=_round(start),
        factor=_round(factor),
        low=low,
        high=high,
        weights=(min(weights), max(weights)),
    )


def averaged(seconds: Sequence[float]) -> Mean:
    """The mean of a rule's jobs."""
    # Snakemake writes 0.0 if it could not measure.
    mean = max(fmean(seconds), 0.01)
    low, high = spread([one / mean for one in seconds])
    return Mean(jobs=len(seconds), seconds=_round(mean), low=low, high=high)


def spread(shares: Sequence[float]) -> tuple[float, float]:
    """Low and high seconds of a job as shares of the likely ones: the first and the last decile,
    moved apart by 1 + 1 / sqrt(n), so that few jobs don't look certain."""
    room = 1 + 1 / sqrt(len(shares))
    deciles = quantiles(shares, n=10, method="inclusive") if len(shares) > 1 else list(shares)
    low, high = min(deciles[0], 1.0) / room, max(deciles[-1], 1.0) * room
    return _round(max(low, 0.01)), _round(high)


def _round(number: float) -> float:
    return float(f"{number:.3g}")


def _machine(rows: Mapping[Any, dict[str, str]]) -> str:
    gpus = sorted({row["gpu"] for row in rows.values()} - {"", "cpu"})
    return ", ".join([*gpus, f"{os.cpu_count()} cores {platform.machine()}"])


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # not in this environment: a calibration states what it can see
    return found
