"""A budget as a self-contained page."""

from collections.abc import Iterable, Mapping
from html import escape

from tuning_dynamics.plan.budget import Budget, Part
from tuning_dynamics.plan.render_text import at_most, gigabytes, hours, told_basis, told_checkpoints
from tuning_dynamics.run.all_jobs import Jobs

#: Rows of a table that are shown; the others are in budget.csv.
SHOWN = 60

TITLES = {
    "reason": "Made again because",
    "stage": "By stage",
    "train_set": "By train set",
    "checkpoint": "By checkpoint",
}


def page(
    budget: Budget,
    parts: Mapping[str, list[Part]],
    walls: Mapping[int, float],
    price_per_hour: float | None,
    jobs: Jobs,
) -> str:
    """The page, readable in light and in dark."""
    study = jobs.resolved.study
    tables = [
        _part_table(TITLES[by], own, budget) for by, own in parts.items() if by in TITLES and own
    ]
    return _PAGE.format(
        style=_STYLE,
        title=escape(f"Budget of what is left of {study.study}"),
        facts=_facts(budget, price_per_hour, jobs),
        tables="\n".join([*tables, _wall_table(budget, walls)]),
        checkpoints=_list(told_checkpoints(jobs.resolved, jobs.grid)),
        unknown=_unknown(budget),
        basis=escape(told_basis(budget)),
    )


def _facts(budget: Budget, price_per_hour: float | None, jobs: Jobs) -> str:
    whole, device = budget.whole, budget.device
    facts = {
        "Study": jobs.resolved.study.title or jobs.resolved.study.study,
        "Jobs left": f"{whole.jobs:,}",
        device.unit: f"{hours(whole.hours)} {device.name}",
        "Download": at_most(budget),
        "Disk": f"at most {gigabytes(budget.disk.peak(1))}",
    }
    if whole.host.high:
        facts["Core-hours beside"] = hours(whole.host)
    if device.memory is not None and budget.memory:
        facts["GPU memory"] = (
            f"at most {gigabytes(budget.memory)} of {gigabytes(device.memory)} in the largest job"
        )
    if price_per_hour is not None:
        facts["Price"] = hours(whole.hours * price_per_hour)
    if device.watts is not None:
        facts["Energy"] = f"{hours(whole.hours * (device.watts / 1000))} kWh at {device.watts:g} W"
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )


def _part_table(title: str, parts: list[Part], budget: Budget) -> str:
    most = max((part.hours.high for part in parts), default=0.0)
    unpriced = any(part.unpriced for part in parts)
    rows = [_part_row(part, most, unpriced) for part in parts[:SHOWN]]
    more = len(parts) - SHOWN
    rest = f"<p><small>{more:,} more rows are in budget.csv.</small></p>" if more > 0 else ""
    names = [title.removeprefix("By "), "jobs", budget.device.unit]
    return _table(title, [*names, *(["unknown"] if unpriced else []), "range"], rows) + rest


def _part_row(part: Part, most: float, unpriced: bool) -> str:
    """A row of a table; with a column for jobs without a price where the table has some."""
    unknown = f"<td>{f'{part.unpriced:,}' if part.unpriced else ''}</td>" if unpriced else ""
    return (
        f"<tr><th scope=row>{escape(part.name)}</th><td>{part.jobs:,}</td>"
        f"<td>{hours(part.hours) if part.hours.high else ''}</td>"
        f"{unknown}<td class=bar>{_bar(part, most)}</td></tr>"
    )


def _bar(part: Part, most: float) -> str:
    """The range as a thin line, the likely hours as a bar."""
    if not most or not part.hours.high:
        return ""
    low, mid, high = (
        f"{100 * hours / most:.1f}" for hours in (part.hours.low, part.hours.mid, part.hours.high)
    )
    return (
        f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="0" y="1" width="{mid}" height="6"/>'
        f'<line x1="{low}" x2="{high}" y1="4" y2="4"/></svg>'
    )


def _wall_table(budget: Budget, walls: Mapping[int, float]) -> str:
    if not walls:
        return ""
    unit = budget.device.unit.removesuffix("-hours")
    fewest = next(iter(walls.values()))
    rows = [
        f"<tr><th scope=row>{gpus}</th><td>{seconds / 3600:,.1f} h</td>"
        f"<td>{fewest / seconds:.1f}</td>"
        f"<td>{gigabytes(budget.disk.peak(gpus))}</td></tr>"
        for gpus, seconds in walls.items()
    ]
    return _table("Wall time", [f"{unit}s", "wall time", "times as fast", "disk at most"], rows)


def _table(title: str, names: Iterable[str], rows: Iterable[str]) -> str:
    head, body = "".join(f"<th scope=col>{name}</th>" for name in names), "\n".join(rows)
    # What scrolls sideways must be reached by keyboard.
    return (
        f'<h2>{title}</h2>\n<div class=wide role=region tabindex=0 aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _unknown(budget: Budget) -> str:
    if not budget.unknown:
        return ""
    return "<h2>Not known, and not in the figures</h2>" + _list(budget.unknown)


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #57606a; --paper: #ffffff;
  --line: #d5d9de; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a5adb6; --paper: #14171a;
  --line: #3a4149; --bar: #4ea8de; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.08rem; line-height: 1.35; margin: 1.6rem 0 .4rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr));
  gap: .5rem 1rem; margin: 0; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line);
  font-weight: normal; font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child { text-align: left; } thead th { color: var(--soft); font-size: .85rem; }
.bar { width: 30%; min-width: 7rem; }
svg { width: 100%; height: .8rem; display: block; } rect { fill: var(--bar); }
line { stroke: var(--ink); stroke-width: 1; vector-effect: non-scaling-stroke; }
small, footer { color: var(--soft); font-size: .85rem; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<dl>
{facts}
</dl>
{tables}
{unknown}
<h2>Checkpoints</h2>
{checkpoints}
<footer>
<p>Basis: {basis}. A figure is the likely one, in brackets those of cheap and of dear assumptions.
Wall time is that of the likely figures, a variant's tuning and evaluation on one GPU in a row, the
longest chain first; jobs without a price, such as downloads, take no time in it. Energy is that of
the board alone at its full power. Disk leaves out the hub's cache of data sets.</p>
</footer>
</main>
</body>
</html>
"""
