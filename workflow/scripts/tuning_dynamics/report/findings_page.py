"""The findings as a page of its own, and as the front of the report."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from tuning_dynamics.report.findings import Finding
from tuning_dynamics.report.numbers import signed


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
side of 0. <strong>cannot tell</strong>: it holds 0, or there is too little to make one, or the
value is under the noise floor: smaller than what scores of two seeds, or of two nearly identical
checkpoints, differ by. Intervals are percentile bootstraps over pairs of train set and evaluation
set; seeds and checkpoints of one pair are drawn together. They speak of this study's models and
sets, not of others.</p>
</footer>
</main>
</body>
</html>
"""
