"""Estimates with intervals, one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from tuning_dynamics.report.figures.axes import at_least, fitted, inches, whiskers
from tuning_dynamics.report.figures.style import MISSING_COLOUR, TEXT_COLOUR

#: Inches of a row: a line of words, and the estimate below it.
ROW_INCHES = 0.27


@dataclass(frozen=True)
class ForestRow:
    """One row: its words, value and interval (NaN if there is none), colour; hollow if it is under
    the noise floor, half filled if that is `unknown`; and a value to compare with, drawn as a
    cross.
    """

    words: str
    value: float
    low: float
    high: float
    colour: str
    hollow: bool = False
    unknown: bool = False
    compared: float | None = None


def height(rows: int) -> float:
    """Height in inches of a panel with this many rows."""
    return max(1.2, ROW_INCHES * rows)


def draw_forest(
    ax: Axes,
    rows: Sequence[ForestRow],
    *,
    floor: float | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """The rows from the top; a line at 0, and a grey background from -floor to floor if known.

    A missing value is `n/a`. With `limits` of the axis, a value beyond them is an arrow at its end.
    """
    ax.grid(False)
    ax.set_ylim(len(rows) - 0.35, -0.75)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    if floor is not None and np.isfinite(floor):
        ax.axvspan(-floor, floor, color=MISSING_COLOUR, alpha=0.2, linewidth=0, zorder=0)
    ax.axvline(0, color="#999999", linewidth=0.8, zorder=0)
    for place, row in enumerate(rows):
        _words(ax, place, row)
        _estimate(ax, place, row, limits)
    ax.margins(x=0.08)
    ax.set_xlim(limits or at_least(*ax.get_xlim()))
    ax.locator_params(axis="x", nbins=5)


def _words(ax: Axes, place: int, row: ForestRow) -> None:
    missing = "" if np.isfinite(row.value) else ": n/a"
    ax.text(
        0.0,
        place - 0.3,
        row.words + missing,
        transform=ax.get_yaxis_transform(),
        fontsize=fitted(row.words + missing, inches(ax), 6.5),
        color=TEXT_COLOUR if missing else "#222222",
        va="center",
    )


def _estimate(ax: Axes, place: int, row: ForestRow, limits: tuple[float, float] | None) -> None:
    if row.compared is not None:
        ax.plot([row.compared], [place + 0.1], "x", color="#222222", markersize=5)
    if not np.isfinite(row.value):
        return
    if limits is not None and not limits[0] <= row.value <= limits[1]:
        end, arrow = (limits[1], ">") if row.value > limits[1] else (limits[0], "<")
        ax.plot([end], [place + 0.1], arrow, color=row.colour, markersize=6, clip_on=False)
        return
    value, low, high = (np.array([number]) for number in (row.value, row.low, row.high))
    ax.errorbar(
        value,
        [place + 0.1],
        xerr=whiskers(value, low, high),
        fmt="o",
        color=row.colour,
        markerfacecolor="white" if row.hollow else row.colour,
        markerfacecoloralt="white",
        fillstyle="bottom" if row.unknown else "full",
        elinewidth=1.2,
        capsize=0,
        markersize=5,
    )
