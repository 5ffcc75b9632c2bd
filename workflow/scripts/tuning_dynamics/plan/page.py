"""A budget as a self-contained page."""

from collections.abc import Mapping
from pathlib import Path

import jinja2

from tuning_dynamics.plan.budget import Budget, BudgetPart
from tuning_dynamics.plan.power import power_of
from tuning_dynamics.plan.render_text import at_most, basis_text, checkpoint_lines, gigabytes, hours
from tuning_dynamics.run.all_jobs import Jobs

#: Rows of a table on the page; the others are in budget.csv.
SHOWN = 60

TITLES = {
    "reason": "Made again because",
    "stage": "By stage",
    "train_set": "By train set",
    "checkpoint": "By checkpoint",
}


def page(
    budget: Budget,
    parts: Mapping[str, list[BudgetPart]],
    walls: Mapping[int, float],
    price_per_hour: float | None,
    jobs: Jobs,
) -> str:
    """The page, with light and dark colours."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"hours": hours, "gigabytes": gigabytes}
    return environment.get_template("budget.html").render(
        study=jobs.resolved.study.study,
        facts=_facts(budget, price_per_hour, jobs),
        tables={TITLES[by]: own for by, own in parts.items() if by in TITLES and own},
        shown=SHOWN,
        unit=budget.device.unit,
        walls=walls,
        disk=budget.disk,
        unknown=budget.unknown,
        power=power_of(jobs.resolved, jobs.grid, budget.prices.known),
        checkpoints=checkpoint_lines(jobs.resolved, jobs.grid),
        basis=basis_text(budget),
    )


def _facts(budget: Budget, price_per_hour: float | None, jobs: Jobs) -> dict[str, str]:
    whole, device = budget.whole, budget.device
    facts = {
        "Study": jobs.resolved.study.title or jobs.resolved.study.study,
        "Jobs left": f"{whole.jobs:,}",
        device.unit: f"{hours(whole.hours)} {device.name}",
        "Download": at_most(budget),
        "Disk": f"at most {gigabytes(budget.disk.peak(1))}",
    }
    if whole.host.high:
        facts["Core-hours"] = hours(whole.host)
    if device.memory is not None and budget.memory:
        facts["GPU memory"] = (
            f"at most {gigabytes(budget.memory)} of {gigabytes(device.memory)} in the largest job"
        )
    if price_per_hour is not None:
        facts["Price"] = hours(whole.hours * price_per_hour)
    if device.watts is not None:
        facts["Energy"] = f"{hours(whole.hours * (device.watts / 1000))} kWh at {device.watts:g} W"
    return facts
