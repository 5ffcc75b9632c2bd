"""A budget as text."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.device import Device, Range
from tuning_dynamics.config.family import HubFamily
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid, unpaired_cells
from tuning_dynamics.plan.budget import Budget, BudgetPart, reasons_of
from tuning_dynamics.plan.contrasts import Power
from tuning_dynamics.plan.price import Job, Prices
from tuning_dynamics.plan.resources import UNKNOWN_BYTES, UNKNOWN_MINUTES

#: Number of files without a size that are named; more are only counted.
NAMED = 3

#: A wall time within this of the shortest gains nothing.
SHORTEST = 1.05


def budget_text(
    budget: Budget,
    resolved: ResolvedStudy,
    grid: Grid,
    walls: Mapping[int, float],
    again: Iterable[tuple[str, list[Job]]] = (),
) -> str:
    """The budget of a dry run, about 20 lines; `walls` are seconds by number of GPUs, `again` the
    reasons of `reason_lines`."""
    lines = [
        "",
        f"Budget of what would run, on one {budget.device.name} (estimate, low-high)",
        f"  study      {len(grid.cells):,} cells of {len(grid.tuned):,} tuned models and "
        f"{len(grid.checkpoints):,} checkpoints",
        *reason_lines(again, budget.prices),
        *(part_line(stage, budget.device) for stage in budget.stages),
        part_line(budget.whole, budget.device),
        *_wall_lines(walls, budget.device),
        f"  basis      {basis_text(budget)}",
        f"  bytes      {at_most(budget)} to download; at most {gigabytes(budget.disk.peak(1))} "
        "on disk",
        *_memory_lines(budget),
        *_unknown_lines(budget),
        *_unpaired_lines(grid),
    ]
    checkpoints = checkpoint_lines(resolved, grid)
    if checkpoints:  # published scores name none that could be read
        lines += ["  checkpoints", *(f"    {line}" for line in checkpoints)]
    return "\n".join(lines)


def power_lines(power: Power) -> list[str]:
    """Lines on the smallest differences that the grid can see; none if it has none to see."""
    if not power.contrasts and not power.unknown:
        return []
    return [
        "  power      smallest differences that 80 % of studies find by a two-sided test of 5 % "
        "(of one seed or draw: for it alone)",
        *(f"             {line}" for line in power.lines),
    ]


def reason_lines(groups: Iterable[tuple[str, list[Job]]], prices: Prices) -> list[str]:
    """A line for each reason to make finished results again: its jobs, and their likely hours.

    `groups` are the reasons, each with the jobs that run for it.
    """
    return [
        f"  made again because {part.name}: {_remade_text(part, prices.device)}"
        for part in reasons_of(groups, prices)
    ]


def _remade_text(part: BudgetPart, device: Device) -> str:
    words = [_jobs(part.jobs)]
    on_cores = device.memory is None
    likely = part.hours.mid + part.host.mid if on_cores else part.hours.mid
    if likely:
        unit = device.unit if on_cores else f"{device.name.split()[0]} {device.unit}"
        words.append(f"{_number(likely)} {unit}")
    if part.unpriced:
        words.append(f"{_jobs(part.unpriced)} of unknown cost")
    return ", ".join(words)


def _jobs(number: int) -> str:
    return f"{number:,} job{'' if number == 1 else 's'}"


def refusal_lines(refusal: StudyError | None) -> list[str]:
    """Lines on why a run with the budget would not begin; empty if it would."""
    if refusal is None:
        return []
    return [
        "",
        "A run of this would be refused:",
        *(f"  {line}" for line in str(refusal).split("\n")),
    ]


def part_line(part: BudgetPart, device: Device) -> str:
    """A line of the budget."""
    start = f"  {part.name:<10} {part.jobs:>8,} jobs"
    if part.jobs and part.unpriced == part.jobs:
        return f"{start}  unknown"
    more = f", and {part.unpriced:,} jobs of unknown cost" if part.unpriced else ""
    return f"{start}  {spent(part.hours, part.host, device)}{more}"


def _wall_lines(walls: Mapping[int, float], device: Device) -> list[str]:
    if not walls:
        return []
    # Up to the number of GPUs beyond which the plan gets no shorter.
    least = min(walls.values())
    useful = next(gpus for gpus, wall in walls.items() if wall <= SHORTEST * least)
    words = ", ".join(
        f"{_wall_time(wall)} on {gpus}" for gpus, wall in walls.items() if gpus <= useful
    )
    return [f"  wall time  {words} {device.unit.removesuffix('-hours')}s"]


def spent(own: Range, host: Range, device: Device) -> str:
    """Hours of a device, and of the host's cores if known."""
    if device.memory is None:
        own, host = own + host, Range()
    words = [f"{hours(own)} {device.unit}"] if own.high else []
    words += [f"{hours(host)} core-hours"] if host.high else []
    nothing = "(no estimate; not in the total)" if device.memory is None else f"(no {device.unit})"
    return " and ".join(words) or nothing


def basis_text(budget: Budget) -> str:
    """The basis of the prices."""
    calibration = budget.basis.calibration
    equations = "equations and assumptions (docs/cost.md)"
    if calibration is None:
        return f"{equations}; after a run, `snakemake calibrate` fits them to your machine"
    words = f"{calibration.jobs:,} jobs of study {calibration.study} on {calibration.date}"
    if budget.calibrated == 0:
        return f"{equations}; the calibration ({words}) is not of these models' sizes"
    return (
        f"calibrated with {words}: the prices of {budget.calibrated:,} of "
        f"{len(budget.priced):,} jobs"
    )


def _memory_lines(budget: Budget) -> list[str]:
    if budget.device.memory is None or not budget.memory:
        return []
    device = f"the {budget.device.name} has {gigabytes(budget.device.memory)}"
    if budget.memory > budget.device.memory:
        device += (
            ": lower execution.micro_batch or tune.max_length, share a model (execution."
            "gpus_per_model), or plan for a larger device"
        )
    return [f"  memory     at most {gigabytes(budget.memory)} in the largest job; {device}"]


def _unknown_lines(budget: Budget) -> list[str]:
    if not budget.unknown:
        return []
    more = len(budget.unknown) - NAMED
    rest = f"; and {more} more" if more > 0 else ""
    asked = f"{UNKNOWN_MINUTES // 60} h and {gigabytes(UNKNOWN_BYTES)}"
    return [
        f"  unknown    {'; '.join(budget.unknown[:NAMED])}{rest}",
        f"             on a cluster, a job of unknown cost asks for {asked} of memory",
    ]


def _unpaired_lines(grid: Grid) -> list[str]:
    """Lines on tuned cells without a base cell, which a block of base would add."""
    alone = unpaired_cells(grid)
    if not alone:
        return []
    first = alone[0]
    return [
        f"  unpaired   {len(alone):,} tuned cells have no base cell to be compared with, first: "
        f"{first.eval_set}, {first.prediction}, step {first.variant.step} of "
        f"{first.variant.family}; a block of recipe base would give them one"
    ]


def checkpoint_lines(resolved: ResolvedStudy, grid: Grid) -> list[str]:
    """A line per family, or per group of equal families: checkpoints, tokens, and gaps."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in resolved.families:
        steps = [point.step for point in grid.checkpoints if point.family == name]
        family = resolved.families[name]
        first, last = family.tokens(steps[0]), family.tokens(steps[-1])
        span = tokens(last) if first == last else f"{tokens(first)} to {tokens(last)}"
        gaps = family.known.gaps() if isinstance(family, HubFamily) else []
        missing = "".join(
            f"; no checkpoint exists between step {start:,} and {end:,}" for start, end in gaps
        )
        alike[f"{len(steps)} at {span} tokens{missing}"].append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {line}"
        for line, names in alike.items()
    ]


def header(budget: Budget, grid: Grid) -> str:
    """The line in a study's file with its size and cost."""
    device = budget.device
    start = f"# Planned: {len(grid.cells):,} cells, {len(grid.tuned):,} tuned models"
    if budget.unknown:
        return f"{start}; cost not known: {budget.unknown[0]}."
    unit = device.unit if device.memory is None else f"{device.name.split()[0]} hours"
    return f"{start}, {hours(budget.whole.hours)} {unit}, {at_most(budget)} to download."


def hours(span: Range) -> str:
    """`96 (61-150)`."""
    return f"{_number(span.mid)} ({_number(span.low)}-{_number(span.high)})"


def _number(value: float) -> str:
    """At least two figures; thousands in groups."""
    if 0 < value < 0.05:
        return "<0.1"
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def _wall_time(seconds: float) -> str:
    """Minutes below an hour, else hours."""
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    return f"{_number(seconds / 3600)} h"


def at_most(budget: Budget) -> str:
    """Bytes to download; without the hub's own figures, 4 bytes per weight."""
    download = budget.download
    if not download.number:
        return "nothing"
    return f"{'at most ' if download.at_most else ''}{gigabytes(download.number)}"


def gigabytes(number: float) -> str:
    """Bytes in GB (10^9)."""
    return f"{_number(number / 1e9)} GB"


def tokens(number: float) -> str:
    """`4.2B`, `3.1T`; three figures at most."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}"
