"""Panels of series along pre-training: lines with bands; bars if there is one checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tuning_dynamics.report.figures.axes import (
    X_WORDS,
    Dash,
    Frame,
    Look,
    TokenAxis,
    draw_token_axis,
    hole_words,
    joined,
    mark_missing,
    panel_title,
    panels,
    share_heights,
    whiskers,
)
from tuning_dynamics.report.figures.style import BASE_COLOUR, MISSING_COLOUR, colours

BASE_LOOK = Look("base", BASE_COLOUR, "o", "--")

#: What a model reaches that does not read the item: in words, and how it is drawn.
BASELINES = {
    "chance": ("Dotted: chance", ":"),
    "majority": ("Dash-dotted: majority, the share of the commonest label", "-."),
}


@dataclass(frozen=True)
class Series:
    """Rows with `checkpoint`, `value`, `low`, `high`; and `seeds`, if they are means."""

    look: Look
    rows: pd.DataFrame


@dataclass(frozen=True)
class Panel:
    """One panel: its name, words below it, its series, and the name that panels with the same range
    of y share; and accuracy of guessing, `chance`, and of always giving the commonest label,
    `majority`, if they are known."""

    name: str
    words: str
    series: Sequence[Series]
    scale: str
    chance: float | None = None
    majority: float | None = None


def looks(names: Sequence[str], dash: Dash = "-") -> dict[str, Look]:
    """A look for each name."""
    return {
        name: Look(name, colour, marker, dash) for name, (colour, marker) in colours(names).items()
    }


def series_figure(
    axis: TokenAxis, shown: Sequence[Panel], title: str, note: str, *, columns: int = 4
) -> Frame:
    """A panel for each of `shown`; series without rows are not drawn: the study has none."""
    legend = _legend(shown)
    alone = len(axis.checkpoints) == 1
    missing = any(_missing(axis, one) for panel in shown for one in panel.series)
    words = [
        note,
        "x: not evaluated; dotted lines pass it by." if missing and not alone else "",
        "n/a: not evaluated." if missing and alone else "",
        *(
            f"{words}."
            for name, (words, _) in BASELINES.items()
            if any(_baseline(panel, name) is not None for panel in shown)
        ),
        "One checkpoint." if alone else hole_words(axis),
        "" if alone else X_WORDS,
    ]
    frame = panels(len(shown), columns, title, joined(*words), legend=legend)
    for ax, panel, lowest in zip(frame.axes, shown, frame.lowest, strict=True):
        panel_title(ax, panel.name, panel.words)
        if alone:
            _bars(ax, axis, panel)
        else:
            for row, one in enumerate(panel.series):
                draw_series(ax, axis, one, row)
            draw_token_axis(ax, axis, labels=lowest)
        for name, (_, dash) in BASELINES.items():
            if (level := _baseline(panel, name)) is not None:
                ax.axhline(level, color=MISSING_COLOUR, linewidth=0.9, linestyle=dash)
    share_heights(frame.axes, [panel.scale for panel in shown])
    return frame


def _baseline(panel: Panel, name: str) -> float | None:
    return {"chance": panel.chance, "majority": panel.majority}[name]


def _legend(shown: Sequence[Panel]) -> list[Look]:
    """The looks of all panels, each once."""
    found = {one.look.label: one.look for panel in shown for one in panel.series if len(one.rows)}
    return list(found.values())


def _missing(axis: TokenAxis, one: Series) -> bool:
    return 0 < int(one.rows["value"].notna().sum()) < len(axis.checkpoints)


def draw_series(
    ax: Axes, axis: TokenAxis, one: Series, row: int = 0, *, marks: bool = True
) -> None:
    """Values by checkpoint with a band; a bar for one without neighbours.

    At a checkpoint without a value there is a dotted line from neighbour to neighbour and, with
    `marks`, a cross at the bottom, in the series' `row`. Hollow: fewer seeds than elsewhere.
    """
    if one.rows.empty:
        return
    look = one.look
    rows = axis.in_order(one.rows, look.label)
    values, low, high = (rows[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    places = np.asarray(axis.places)
    there = ~np.isnan(values)
    if not there.all():
        ax.plot(places[there], values[there], ":", color=look.colour, linewidth=0.8)
        if marks:
            mark_missing(ax, places[~there], look.colour, row)
    ax.plot(places, values, look.dash, color=look.colour, marker=look.marker)
    fewer = _fewer_seeds(rows)
    if fewer.any():
        ax.plot(
            places[fewer],
            values[fewer],
            look.marker,
            color=look.colour,
            markerfacecolor="white",
        )
    if not np.isnan(low).all():
        ax.fill_between(places, low, high, color=look.colour, alpha=0.16, linewidth=0)
        # A band needs two neighbours.
        lone = ~np.isnan(low) & ~np.r_[False, there[:-1]] & ~np.r_[there[1:], False]
        ax.vlines(
            places[lone],
            low[lone],
            high[lone],
            color=look.colour,
            alpha=0.3,
            linewidth=3,
            zorder=1.5,
        )


def _fewer_seeds(rows: pd.DataFrame) -> NDArray[np.bool_]:
    if "seeds" not in rows or rows["seeds"].isna().all():
        return np.zeros(len(rows), dtype=bool)
    seeds = rows["seeds"].to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(seeds < np.nanmax(seeds))


def _bars(ax: Axes, axis: TokenAxis, panel: Panel) -> None:
    """One bar for each series, with a whisker; `n/a` if its value is missing."""
    ax.set_xticks([])
    ax.set_xlim(-0.7, len(panel.series) - 0.3)
    for place, one in enumerate(panel.series):
        rows = axis.in_order(one.rows, one.look.label)
        values, low, high = (rows[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
        if np.isnan(values[0]):
            ax.text(place, 0, "n/a", ha="center", va="bottom", fontsize=6.5, color=one.look.colour)
            continue
        ax.bar(place, values[0], 0.8, color=one.look.colour)
        if not np.isnan(low[0]):
            ax.errorbar(
                [place],
                values,
                yerr=whiskers(values, low, high),
                fmt="none",
                ecolor="#222222",
                elinewidth=0.9,
                capsize=2,
            )
