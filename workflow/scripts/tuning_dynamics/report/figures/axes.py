"""Shared parts of figures: the token axis, panels, legends, marks of missing values.

Sizes are inches; matplotlib's constrained layout places panels, title, legend and note.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.formatting import short_count
from tuning_dynamics.report.figures.style import MISSING_COLOUR, TEXT_COLOUR
from tuning_dynamics.stats.tokens import log_tokens

Floats = NDArray[np.float64]
Dash = Literal["-", "--", ""]

X_WORDS = "Below: tokens seen in pre-training (log scale) and step."

#: The smallest range of an axis of scores or changes.
LEAST_RANGE = 0.02

# Labels of the token axis closer than this would touch.
_LABEL_GAP = 0.36
# Average width of a letter relative to the font size, for DejaVu Sans, plain and bold: of a name,
# which may be short and wide; a title of many letters is closer to the average of texts.
_LETTER, _BOLD_LETTER, _TITLE_LETTER = 0.58, 0.67, 0.61
_MARGIN = 0.12
_POINT = 1 / 72


@dataclass(frozen=True)
class TokenAxis:
    """A family's checkpoints on a logarithmic token axis, by their labels, which are usually
    steps; two may share a step.

    `holes` are pairs of places between which the published series has no checkpoint, and the
    tokens between them.
    """

    checkpoints: tuple[str, ...]
    tokens: tuple[int, ...]
    places: tuple[float, ...]
    holes: tuple[tuple[float, float, int], ...]

    @property
    def limits(self) -> tuple[float, float]:
        """Ends of the axis, with some room."""
        reach = max(self.places) - min(self.places) or 1.0
        return min(self.places) - 0.06 * reach, max(self.places) + 0.06 * reach

    def at(self, tokens: float) -> float:
        """The place of a number of tokens, limited to the ends of the axis."""
        low, high = self.limits
        place = log10(tokens) if tokens > 0 else self.places[0]
        return min(max(place, low), high)

    def in_order(self, rows: pd.DataFrame, what: str) -> pd.DataFrame:
        """The rows by the axis' checkpoints, empty if there is none.

        Raises StudyError for a checkpoint that checkpoints.csv lacks, or two rows of a checkpoint.
        """
        found = list(rows["checkpoint"])
        unknown = sorted(set(found) - set(self.checkpoints))
        repeated = sorted({name for name in found if found.count(name) > 1})
        if unknown or repeated:
            raise StudyError(
                f"{what} cannot be drawn by checkpoint",
                file="checkpoints.csv" if unknown else None,
                key="checkpoint",
                value=unknown or repeated,
                fix="let checkpoints.csv list every checkpoint of the family's scores"
                if unknown
                else "let each checkpoint have one row",
            )
        return rows.set_index("checkpoint").reindex(list(self.checkpoints))


def token_axis(checkpoints: pd.DataFrame, family: str) -> TokenAxis:
    """The axis of a family's checkpoints in checkpoints.csv; StudyError if it has none."""
    own = checkpoints[checkpoints["family"] == family].sort_values(["tokens", "step", "checkpoint"])
    if own.empty:
        raise StudyError(
            f"checkpoints.csv lists no checkpoint of family '{family}'",
            key="family",
            value=family,
            fix="choose one of " + ", ".join(sorted(checkpoints["family"].unique())),
        )
    places = [float(place) for place in log_tokens(own["tokens"])]
    holes = [
        (places[number - 1], places[number], int(gap))
        for number, gap in enumerate(own["gap_before"])
        if number and pd.notna(gap)
    ]
    return TokenAxis(
        tuple(own["checkpoint"]),
        tuple(int(token) for token in own["tokens"]),
        tuple(places),
        tuple(holes),
    )


def draw_token_axis(ax: Axes, axis: TokenAxis, *, labels: bool) -> None:
    """A mark at each checkpoint, and a grey background where the series has a hole.

    With `labels`, tokens above steps; those that would touch are left out.
    """
    low, high = axis.limits
    ax.set_xlim(low, high)
    ax.set_xticks([])
    for start, end, _ in axis.holes:
        ax.axvspan(start, end, color=MISSING_COLOUR, alpha=0.2, linewidth=0, zorder=0)
    foot = ax.get_xaxis_transform()
    ax.plot(
        axis.places,
        np.zeros(len(axis.places)),
        "|",
        color=TEXT_COLOUR,
        markersize=4,
        markeredgewidth=0.7,
        clip_on=False,
        transform=foot,
    )
    if axis.tokens[0] == 0 and len(axis.places) > 1:
        _break_mark(ax, (axis.places[0] + axis.places[1]) / 2)
    if labels:
        width = inches(ax)
        for place, words in _labels(axis, _LABEL_GAP / width * (high - low)):
            ax.text(place, -0.045, words, transform=foot, ha="center", va="top", fontsize=6.5)


def checkpoint_words(name: str) -> str:
    """A checkpoint's label, shortened if it is a step."""
    return short_count(int(name)) if name.isdecimal() else name


def _labels(axis: TokenAxis, gap: float) -> list[tuple[float, str]]:
    # From the right, so that the last checkpoint always has its label.
    chosen: list[tuple[float, str]] = []
    last = np.inf
    for place, tokens, name in reversed(
        list(zip(axis.places, axis.tokens, axis.checkpoints, strict=True))
    ):
        if last - place >= gap:
            chosen.append((place, f"{short_count(tokens)}\n{checkpoint_words(name)}"))
            last = place
    return chosen


def _break_mark(ax: Axes, place: float) -> None:
    """`//` on the axis between 0 tokens, which have no logarithm, and the rest."""
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


def hole_words(axis: TokenAxis) -> str:
    """What the grey background means; empty without holes."""
    if not axis.holes:
        return ""
    missing = ", ".join(short_count(tokens) for *_, tokens in axis.holes)
    return f"Grey ground: no checkpoint exists there ({missing} tokens)."


@dataclass(frozen=True)
class Look:
    """How a series is drawn, and its name in the legend."""

    label: str
    colour: str
    marker: str = "o"
    dash: Dash = "-"


@dataclass(frozen=True)
class Frame:
    """A figure and its panels; `lowest` marks those with none below them."""

    figure: Figure
    axes: list[Axes]
    lowest: list[bool]


def panels(
    count: int,
    columns: int,
    title: str,
    note: str,
    *,
    legend: Sequence[Look] = (),
    size: tuple[float, float] = (2.3, 1.45),
) -> Frame:
    """A figure of `count` panels, each of about `size`, with a title and a legend above and a note
    below; matplotlib's constrained layout places them."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    # A single panel would be too narrow for title and note.
    width = max(6.4, columns * (size[0] + 0.55) + 0.2)
    figure = Figure(figsize=(width, rows * (size[1] + 0.6) + 1.2), layout="constrained")
    # In a subfigure, as matplotlib would put a title and a legend above in the same place.
    inner = figure.add_subfigure(figure.add_gridspec()[0])
    axes = list(inner.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[count:]:
        ax.remove()
    for ax in axes[:count]:
        ax.locator_params(axis="y", nbins=5)
    edge = _MARGIN / width
    title, note = (_wrapped(title, width, 11, _TITLE_LETTER), _wrapped(note, width, 7.5, _LETTER))
    figure.suptitle(title, x=edge, ha="left", fontsize=11, weight="bold")
    figure.supxlabel(note, x=edge, ha="left", fontsize=7.5, color=TEXT_COLOUR)
    if legend:
        _legend(inner, legend, width)
    return Frame(figure, axes[:count], [number + columns >= count for number in range(count)])


def joined(*sentences: str) -> str:
    """The non-empty sentences, joined."""
    return " ".join(filter(None, sentences))


def _wrapped(text: str, width: float, points: float, letter: float) -> str:
    """The text in lines that fit a figure: matplotlib's own wrapping takes half of all time."""
    return textwrap.fill(text, floor((width - 2 * _MARGIN) / (points * letter * _POINT)))


def _legend(figure: SubFigure, looks: Sequence[Look], width: float) -> None:
    lines = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.dash) for look in looks
    ]
    widest = max(len(look.label) for look in looks) * 8 * _LETTER * _POINT + 0.5
    figure.legend(
        lines,
        [look.label for look in looks],
        loc="outside upper left",
        ncols=max(1, floor((width - 2 * _MARGIN) / widest)),
        columnspacing=1.4,
        handlelength=2.2,
        labelspacing=0.35,
    )


def panel_title(ax: Axes, name: str, words: str = "") -> None:
    """`name` in bold and `words` in grey below it, small enough to fit the panel."""
    width = inches(ax)
    for text, drop, points, letter, weight, colour in (
        (name, 13 if words else 4, 8.5, _BOLD_LETTER, "bold", "#222222"),
        (words, 4, 7.5, _LETTER, "normal", TEXT_COLOUR),
    ):
        fitting = fitted(text, width, points, letter)
        ax.annotate(
            text,
            (0, 1),
            (0, drop),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=fitting,
            weight=weight,
            color=colour,
        )


def fitted(text: str, width: float, points: float, letter: float = _LETTER) -> float:
    """The font size, at most `points`, at which the text is no wider than `width`."""
    return min(points, width / (max(1, len(text)) * letter * _POINT))


def inches(ax: Axes) -> float:
    """Width of a panel in inches."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(ax.get_position().width * figure.get_size_inches()[0])


def at_least(low: float, high: float) -> tuple[float, float]:
    """The range, made LEAST_RANGE wide, so that rounding errors don't look like differences."""
    more = max(0.0, LEAST_RANGE - (high - low)) / 2
    return low - more, high + more


def share_heights(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """One range of y for all panels of one name (a metric), so that they can be compared."""
    for name in set(names):
        chosen = [ax for ax, own in zip(axes, names, strict=True) if own == name]
        ends = np.array([ax.get_ylim() for ax in chosen])
        wide = at_least(float(ends[:, 0].min()), float(ends[:, 1].max()))
        for ax in chosen:
            ax.set_ylim(wide)


def mark_missing(ax: Axes, places: Sequence[float], colour: str, row: int = 0) -> None:
    """A cross at the bottom of the panel for a missing cell; several are stacked by `row`."""
    if not len(places):
        return
    ax.plot(
        places,
        np.full(len(places), 0.03 + 0.05 * row),
        "x",
        color=colour,
        markersize=3.2,
        markeredgewidth=0.8,
        transform=ax.get_xaxis_transform(),
    )


def nothing_to_draw(ax: Axes, reason: str) -> None:
    """Write in an empty panel why it is empty."""
    ax.set_axis_off()
    ax.text(
        0.5,
        0.5,
        textwrap.fill(reason, 40),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color=TEXT_COLOUR,
    )


def whiskers(values: Floats, lows: Floats, highs: Floats) -> Floats:
    """Lengths below and above, as for matplotlib's error bars; shape (2, values).

    A missing interval gives no whisker; a mean outside its interval, which is possible with a
    percentile interval, gives a whisker of 0 on that side.
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
