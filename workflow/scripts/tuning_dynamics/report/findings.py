"""What a study's tables say on each of the four published findings, computed from the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

import numpy as np
import pandas as pd

from tuning_dynamics.report.numbers import interval_text, percent, signed
from tuning_dynamics.stats.groups import (
    LEARNED,
    NOT_LEARNED,
    OWN_TASK,
    group_contrast,
    grouped_changes,
)
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import ALL
from tuning_dynamics.stats.units import MIN_UNITS, NOTHING, Drawing, Estimate, estimate, mean_of
from tuning_dynamics.study.errors import StudyError

Verdict = Literal["supported", "contradicted", "cannot tell"]

# A slope over fewer checkpoints has no residual to speak of.
MIN_CHECKPOINTS = 3

TITLES = {
    1: "Tuning on one task can forget others, most from classification to generation",
    2: "Tuned models are sensitive to the prompt format, and less so with more pre-training",
    3: "Sets on which the base model never improves gain more from tuning with more pre-training",
    4: "Sets learned in pre-training gain little from tuning, the others much",
}

_NEEDED = ("scores", "changes", "transfer", "groups", "sensitivity")


@dataclass(frozen=True)
class Finding:
    """One published finding, and what one family's tables say on it.

    `value` is `statistic`, with its interval `low` to `high` (NaN where there is none) over
    `cells` cells. `supported` and `contradicted` mean that the interval excludes 0.
    """

    number: int
    family: str
    title: str
    verdict: Verdict
    sentence: str
    statistic: str
    value: float
    low: float
    high: float
    cells: int


@dataclass(frozen=True)
class _Settings:
    recipe: str
    roles: tuple[str, ...]
    drawing: Drawing


def findings(
    tables: Mapping[str, pd.DataFrame],
    *,
    recipe: str,
    resamples: int,
    level: float,
    seed: int,
    roles: Sequence[str] = OWN_TASK,
) -> list[Finding]:
    """The four findings of each family, in order, from the study's tables by their names.

    `recipe` and `roles` must be those that transfer.csv and group_changes.csv were made with.
    Raises StudyError where a table is missing.
    """
    missing = [name for name in _NEEDED if name not in tables]
    if missing:
        raise StudyError(
            f"the findings need table '{missing[0]}'",
            key="tables",
            value=missing[0],
            fix="pass " + ", ".join(_NEEDED),
        )
    settings = _Settings(recipe, tuple(roles), Drawing(resamples, level, seed))
    results = []
    for family in sorted(tables["scores"]["family"].unique()):
        own = {
            name: table[table["family"] == family]
            for name, table in tables.items()
            if "family" in table.columns
        }
        results += [
            replace(finding, family=str(family))
            for finding in (
                _forgetting(own, settings),
                _format_sensitivity(own, settings),
                _latent_gain(own, settings),
                _dichotomy(own, settings),
            )
        ]
    return results


def _forgetting(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "mean change of generation sets after tuning on classification, all checkpoints"
    there = _transfer(tables["transfer"], "classification", "generation", "mean_change")
    if there is None:
        return _untold(1, name, "no generation set was evaluated after tuning on classification")
    text = (
        f"Tuning on classification changed generation sets by {_number(there, settings)}"
        f"{_ratio_clause(tables['transfer'])}."
    )
    back = _transfer(tables["transfer"], "generation", "classification", "mean_change")
    if back is not None:
        text += (
            f" The other way round it was {_number(back, settings)}: classification to generation "
            f"is {_compared(there, back)}."
        )
    return _finding(1, name, there, text, supports="below")


def _compared(one: Estimate, other: Estimate) -> str:
    if one.high < other.low:
        return "the worse of the two"
    if one.low > other.high:
        return "the better of the two"
    return "not told apart from that, their intervals overlap or are missing"


def _format_sensitivity(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "slope of the spread over formats, per tenfold tokens"
    rows = tables["sensitivity"]
    rows = _with_tokens(rows[rows["recipe"] == settings.recipe], tables["scores"])
    if rows.empty:
        return _untold(2, name, "no tuned model was evaluated in two formats")
    found = _mean_slope(rows, "spread", settings)
    text = (
        f"The spread of tuned scores over formats was {_ends(rows, 'spread')}; "
        f"per tenfold tokens it changed by {_number(found, settings)}. "
        "A spread is never negative, and chance alone makes it positive."
    )
    return _finding(2, name, found, text, supports="below")


def _latent_gain(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "slope of the change on sets not learned in pre-training, per tenfold tokens"
    rows = _grouped(tables, settings)
    rows = rows[rows["group"] == NOT_LEARNED]
    if rows.empty:
        return _untold(3, name, "no tuned evaluation set is in the group 'not learned'")
    found = _mean_slope(rows, "change", settings)
    sets = rows["eval_set"].nunique()
    text = (
        f"On the {sets} sets where the base model shows no trend, tuning changed the score by "
        f"{_ends(rows, 'change')}; per tenfold tokens of pre-training that moved by "
        f"{_number(found, settings)}."
    )
    return _finding(3, name, found, text, supports="above")


def _dichotomy(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "mean change of sets not learned less that of learned ones, all checkpoints"
    rows = _grouped(tables, settings)
    sizes = {group: int((rows["group"] == group).sum()) for group in (LEARNED, NOT_LEARNED)}
    empty = [group.replace("_", " ") for group, size in sizes.items() if size == 0]
    if empty:
        return _untold(4, name, f"no tuned evaluation set is in the group '{empty[0]}'")
    found = group_contrast(rows, settings.drawing)
    means = rows.groupby("group")["change"].mean()
    text = (
        f"Tuning changed sets not learned in pre-training by {signed(means[NOT_LEARNED])} "
        f"({sizes[NOT_LEARNED]} cells) and learned ones by {signed(means[LEARNED])} "
        f"({sizes[LEARNED]} cells); the difference is {_number(found, settings)}."
    )
    return _finding(4, name, found, text, supports="above")


def _finding(
    number: int, statistic: str, found: Estimate, text: str, *, supports: Literal["above", "below"]
) -> Finding:
    verdict: Verdict = "cannot tell"
    if found.low > 0 or found.high < 0:
        agrees = (found.low > 0) == (supports == "above")
        verdict = "supported" if agrees else "contradicted"
    return Finding(
        number,
        "",
        TITLES[number],
        verdict,
        text + _reason(found, verdict),
        statistic,
        found.value,
        found.low,
        found.high,
        found.cells,
    )


def _reason(found: Estimate, verdict: Verdict) -> str:
    if found.thin:
        return (
            f" No interval: {found.units} independent pairs of train set and evaluation set "
            f"where {MIN_UNITS} are needed."
        )
    return " The interval holds 0." if verdict == "cannot tell" else ""


def _untold(number: int, statistic: str, reason: str) -> Finding:
    text = f"Cannot be told from this study: {reason}."
    nan = float("nan")
    return Finding(number, "", TITLES[number], "cannot tell", text, statistic, nan, nan, nan, 0)


def _number(found: Estimate, settings: _Settings) -> str:
    cells = "1 cell" if found.cells == 1 else f"{found.cells} cells"
    interval = interval_text(found.low, found.high, settings.drawing.level)
    return f"{signed(found.value)} ({interval}; {cells})"


def _transfer(
    transfer: pd.DataFrame, train_kind: str, eval_kind: str, statistic: str
) -> Estimate | None:
    """The pooled row, or None where there is none."""
    rows = transfer[
        (transfer["checkpoint"] == ALL)
        & (transfer["train_kind"] == train_kind)
        & (transfer["eval_kind"] == eval_kind)
        & (transfer["statistic"] == statistic)
    ]
    if rows.empty:
        return None
    row = rows.iloc[0]
    # The table holds no number of units; an empty interval says that they were too few.
    units = 0 if np.isnan(row["low"]) else MIN_UNITS
    return Estimate(
        float(row["value"]), float(row["low"]), float(row["high"]), int(row["cells"]), units
    )


def _ratio_clause(transfer: pd.DataFrame) -> str:
    parts = []
    for statistic, words in (
        ("ratio_of_means", "as a ratio of means"),
        ("mean_ratio", "as a mean of ratios"),
    ):
        found = _transfer(transfer, "classification", "generation", statistic)
        if found is not None and not np.isnan(found.value):
            parts.append(f"{percent(found.value)} {words}")
    return ", " + ", ".join(parts) if parts else ""


def _grouped(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> pd.DataFrame:
    return grouped_changes(
        tables["changes"], tables["groups"], recipe=settings.recipe, roles=settings.roles
    )


def _with_tokens(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    steps = scores[["family", "step", "tokens"]].drop_duplicates()
    return rows.merge(steps, on=["family", "step"], how="left", validate="many_to_one")


def _mean_slope(rows: pd.DataFrame, column: str, settings: _Settings) -> Estimate:
    """Mean over (train set, evaluation set) pairs of the slope of `column` over log10 tokens.

    Seeds are averaged at each checkpoint first; pairs with fewer than 3 checkpoints have no slope.
    """
    placed = rows.assign(_x=log_tokens(rows["tokens"]))
    slopes, names, cells = [], [], 0
    for (train_set, eval_set), pair in placed.groupby(["train_set", "eval_set"], sort=True):
        curve = pair.groupby("_x")[column].mean()
        if len(curve) >= MIN_CHECKPOINTS:
            slopes.append(slope(curve.index.to_numpy(dtype=float), curve.to_numpy(dtype=float)))
            names.append(f"{train_set} on {eval_set}")
            cells += len(pair)
    if not slopes:
        return NOTHING
    found = estimate(mean_of(np.array(slopes)), names, settings.drawing)
    return replace(found, cells=cells)


def _ends(rows: pd.DataFrame, column: str) -> str:
    """The mean of `column` at the first and at the last checkpoint, in words."""
    means = rows.groupby("step")[column].mean().sort_index()
    first, last = signed(means.iloc[0]), signed(means.iloc[-1])
    if column == "spread":
        first, last = first.lstrip("+"), last.lstrip("+")
    return f"{first} at step {means.index[0]} and {last} at step {means.index[-1]}"


def findings_rst(found: Sequence[Finding], study_summary: Mapping[str, str]) -> str:
    """The findings as reStructuredText."""
    lines = [f"**{name}**: {_rst(value)}\n" for name, value in study_summary.items()]
    for item in found:
        lines.append(
            f"**{item.number}. {_rst(item.title)}** (family {_rst(item.family)}): "
            f"*{item.verdict}*. {_rst(item.sentence)}\n"
        )
    return "\n".join(lines)


def _rst(text: str) -> str:
    return "".join(f"\\{char}" if char in "*`_|\\" else char for char in text)


def findings_html(found: Sequence[Finding], study_summary: Mapping[str, str]) -> str:
    """A self-contained page: what was studied, then each finding with verdict and interval."""
    summary = "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in study_summary.items()
    )
    cards = "\n".join(_card(item) for item in found)
    return _PAGE.format(style=_STYLE, summary=summary, cards=cards)


def _card(item: Finding) -> str:
    kind = item.verdict.replace(" ", "-")
    return (
        f'<article class="{kind}">\n'
        f"<h2><span>{item.number}.</span> {escape(item.title)}</h2>\n"
        f'<p class="verdict"><strong>{item.verdict}</strong> '
        f"<small>family {escape(item.family)}</small></p>\n"
        f"<p>{escape(item.sentence)}</p>\n{_interval_picture(item)}</article>"
    )


def _interval_picture(item: Finding) -> str:
    """The interval against 0 as a small drawing; nothing where there is no interval."""
    if np.isnan(item.low) or np.isnan(item.high):
        return ""
    reach = 1.15 * max(abs(item.low), abs(item.high), 1e-9)

    def place(value: float) -> str:
        return f"{150 + 140 * value / reach:.1f}"

    ends = f"from {signed(item.low)} to {signed(item.high)}"
    label = f"{item.statistic}: {signed(item.value)}, {ends}"
    return (
        f'<figure><svg viewBox="0 0 300 44" role="img" aria-label="{escape(label)}">'
        '<line class="zero" x1="150" x2="150" y1="4" y2="28"/>'
        f'<line class="range" x1="{place(item.low)}" x2="{place(item.high)}" y1="16" y2="16"/>'
        f'<circle cx="{place(item.value)}" cy="16" r="5"/>'
        f'<text x="150" y="42" text-anchor="middle">0</text>'
        f'<text x="{place(item.value)}" y="42" text-anchor="middle" class="value">'
        f"{_unless_near_zero(item.value, reach)}</text></svg>"
        f"<figcaption>{escape(item.statistic)}</figcaption></figure>\n"
    )


def _unless_near_zero(value: float, reach: float) -> str:
    # Two labels closer than this would be printed over one another.
    return "" if abs(value) < 0.2 * reach else signed(value)


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #57606a; --paper: #ffffff;
  --card: #f5f6f8; --line: #d5d9de; --yes: #00664d; --no: #a83800; --open: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a5adb6; --paper: #14171a;
  --card: #1e2328; --line: #3a4149; --yes: #4fc9a4; --no: #f2925c; --open: #a5adb6; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.08rem; line-height: 1.35; margin: 0; }
h2 span { color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr));
  gap: .5rem 1rem; margin: 0 0 1.5rem; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
article { background: var(--card); border-left: .35rem solid var(--open); border-radius: .35rem;
  padding: .9rem 1rem; margin: 0 0 1rem; }
article.supported { border-color: var(--yes); } article.contradicted { border-color: var(--no); }
article p { margin: .45rem 0; }
.verdict strong { color: var(--open); } .supported .verdict strong { color: var(--yes); }
.contradicted .verdict strong { color: var(--no); }
small, figcaption, footer { color: var(--soft); font-size: .85rem; }
figure { margin: .6rem 0 0; } svg { width: 100%; max-width: 22rem; height: auto; display: block; }
.zero { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.range { stroke: var(--open); stroke-width: 4; stroke-linecap: round; }
.supported .range { stroke: var(--yes); } .contradicted .range { stroke: var(--no); }
circle { fill: var(--ink); } text { fill: var(--soft); font-size: 12px; }
.value { fill: var(--ink); }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Findings</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>What this study's tables say on the four findings</h1>
<dl>
{summary}
</dl>
{cards}
<footer>
<p><strong>supported</strong> and <strong>contradicted</strong>: the interval lies wholly on one
side of 0. <strong>cannot tell</strong>: it holds 0, or there is too little to make one. Intervals
are percentile bootstraps over pairs of train set and evaluation set; seeds and checkpoints of one
pair are drawn together. They speak of this study's models and sets, not of others.</p>
</footer>
</main>
</body>
</html>
"""
