"""Shared parts of figures: the token axis, panels, marks of what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning_dynamics.report.numbers import short_count
from tuning_dynamics.report.style import MISSING_COLOUR
from tuning_dynamics.stats.tokens import log_tokens
from tuning_dynamics.study.errors import StudyError

Floats = NDArray[np.float64]

PANEL_INCHES = (2.75, 2.2)
# Labels closer than this share of the axis would touch.
_LABEL_GAP = 0.13
# So many bold letters of 8.5 points are as wide as a panel.
_TITLE_LETTERS = 31
# The same for plain letters of 7.5 points.
_WORDS_LETTERS = 42


@dataclass(frozen=True)
class TokenAxis:
    """A family's checkpoints on a logarithmic token axis."""

    steps: tuple[int, ...]
    tokens: tuple[int, ...]
    places: tuple[float, ...]

    def place(self, step: int) -> float:
        """Where a checkpoint is drawn."""
        return self.places[self.steps.index(step)]


def token_axis(scores: pd.DataFrame, family: str) -> TokenAxis:
    """The axis of all of a family's checkpoints in scores.csv; StudyError if it has none."""
    own = scores[scores["family"] == family]
    if own.empty:
        raise StudyError(
            f"there are no scores of family '{family}' to draw",
            key="family",
            value=family,
            fix="choose one of " + ", ".join(sorted(scores["family"].unique())),
        )
    points = own[["step", "tokens"]].drop_duplicates().sort_values(["tokens", "step"])
    places = log_tokens(points["tokens"])
    return TokenAxis(
        tuple(int(step) for step in points["step"]),
        tuple(int(token) for token in points["tokens"]),
        tuple(float(place) for place in places),
    )


def draw_token_axis(ax: Axes, axis: TokenAxis) -> None:
    """Ticks at checkpoints, tokens above steps; labels that would touch are left out."""
    ax.set_xticks(axis.places, _labels(axis))
    ax.set_xlim(*_limits(axis))
    if axis.tokens[0] == 0 and len(axis.places) > 1:
        _break_mark(ax, (axis.places[0] + axis.places[1]) / 2)


def _limits(axis: TokenAxis) -> tuple[float, float]:
    reach = max(axis.places) - min(axis.places) or 1.0
    return min(axis.places) - 0.06 * reach, max(axis.places) + 0.06 * reach


def _labels(axis: TokenAxis) -> list[str]:
    # From the right, so that the last checkpoint always has its label.
    low, high = _limits(axis)
    labels, last = [], np.inf
    for place, tokens, step in reversed(
        list(zip(axis.places, axis.tokens, axis.steps, strict=True))
    ):
        wanted = last - place >= _LABEL_GAP * (high - low)
        labels.append(f"{short_count(tokens)}\n{short_count(step)}" if wanted else "")
        last = place if wanted else last
    return labels[::-1]


def _break_mark(ax: Axes, place: float) -> None:
    """`//` on the axis between 0 tokens, which has no logarithm, and the rest."""
    ax.plot(
        [place],
        [0],
        marker=[(-1, -2), (1, 2)],
        color="#666666",
        markersize=7,
        clip_on=False,
        linestyle="none",
        transform=ax.get_xaxis_transform(),
        zorder=5,
    )


def panels(
    count: int, columns: int, title: str, note: str, *, legend: bool
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels with a title above and a note below; unused places are empty.

    With `legend` there is room for `legend_above`.
    """
    columns = min(columns, max(1, count))
    rows = max(1, ceil(count / columns))
    # One panel alone would be too narrow for title and note.
    width = max(6.4, columns * PANEL_INCHES[0])
    head = 0.98 if legend else 0.78
    height = rows * PANEL_INCHES[1] + head + 0.22
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.5 / width,
        right=1 - 0.12 / width,
        top=1 - head / height,
        bottom=0.86 / height,
        hspace=0.8 / (PANEL_INCHES[1] - 0.6),
        wspace=0.2,
    )
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.set_axis_off()
    figure.text(0.12 / width, 1 - 0.1 / height, title, fontsize=11, weight="bold", va="top")
    figure.text(0.12 / width, 0.08 / height, note, fontsize=7.5, color="#555555", va="bottom")
    return figure, axes[:count]


def panel_title(ax: Axes, name: str, words: str) -> None:
    """`name` in bold, small enough to fit, and `words` in grey below it."""
    size = min(8.5, 8.5 * _TITLE_LETTERS / max(1, len(name)))
    ax.set_title(name, fontsize=size, pad=15)
    ax.annotate(
        words,
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=min(7.5, 7.5 * _WORDS_LETTERS / max(1, len(words))),
        color="#555555",
    )


def share_heights(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """One range of y for all panels of one name (a metric), so that they can be compared."""
    for name in set(names):
        chosen = [ax for ax, own in zip(axes, names, strict=True) if own == name]
        ends = np.array([ax.get_ylim() for ax in chosen])
        for ax in chosen:
            ax.set_ylim(ends[:, 0].min(), ends[:, 1].max())


def legend_above(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels, below the title."""
    found: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(str(label), handle)
    width, height = figure.get_size_inches()
    figure.legend(
        handles=list(found.values()),
        labels=list(found),
        loc="upper left",
        ncols=6,
        bbox_to_anchor=(0.12 / width, 1 - 0.33 / height),
        borderaxespad=0.0,
        borderpad=0.0,
        columnspacing=1.4,
        handlelength=2.2,
    )


def mark_missing(ax: Axes, place: float, colour: str = MISSING_COLOUR, row: int = 0) -> None:
    """`n/a` at the foot of the panel where a cell is missing; several are stacked by `row`."""
    ax.text(
        place,
        0.02 + 0.13 * row,
        "n/a",
        transform=ax.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=6.5,
        color=colour,
        rotation=90,
    )


def nothing_to_draw(ax: Axes, reason: str) -> None:
    """Says in an empty panel why it is empty."""
    ax.set_axis_off()
    ax.text(
        0.5,
        0.5,
        reason,
        transform=ax.transAxes,
        ha="center",
        va="center",
        color="#555555",
        wrap=True,
    )


def whiskers(values: Floats, lows: Floats, highs: Floats) -> Floats:
    """Lengths below and above, as matplotlib's error bars want them; shape (2, values).

    A missing interval gives no whisker; a mean outside its interval, which a percentile
    interval allows, a whisker of 0 on that side.
    """
    return np.vstack(
        [
            np.nan_to_num(np.maximum(values - lows, 0.0)),
            np.nan_to_num(np.maximum(highs - values, 0.0)),
        ]
    )


def percent_level(level: float) -> str:
    """`95 %`."""
    return f"{100 * level:g} %"
