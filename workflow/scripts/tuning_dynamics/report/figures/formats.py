"""Figures of how much scores vary with the prompt format."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning_dynamics.report.figures.axes import Look, panel_title
from tuning_dynamics.report.figures.scores import empty
from tuning_dynamics.report.figures.series import (
    Panel,
    Series,
    draw_series,
    looks,
    series_figure,
)
from tuning_dynamics.report.figures.style import COLOURS, TEXT_COLOUR, style
from tuning_dynamics.report.figures.trends import trend_figure
from tuning_dynamics.report.figures.view import View

_LINE = ["checkpoint", "recipe", "train_set", "eval_set"]


def sensitivity(view: View) -> Figure:
    """Spread of scores over formats by checkpoint: a panel per train set, a line per set."""
    own = view.tables["sensitivity"]
    own = own[own["recipe"] != "base"]
    title = f"{view.family}: how far the score moves with the prompt format"
    if own.empty:
        return empty(title, "no tuned model was evaluated in two formats")
    rows = over_seeds(own, _measure(view)[0])
    styles = looks(sorted(rows["eval_set"].unique()))
    shown = []
    for (recipe, train_set), mine in rows.groupby(["recipe", "train_set"], sort=True):
        lines = [Series(look, mine[mine["eval_set"] == name]) for name, look in styles.items()]
        series = [line for line in lines if len(line.rows)]
        shown.append(Panel(str(train_set), f"{recipe}; spread", series, "spread"))
    note = f"{_measure(view)[1]}; {seeds_words(rows)}."
    with style():
        frame = series_figure(view.axis, shown, title, note)
        for ax in frame.axes:
            _from_zero(ax, rows)
    return frame.figure


def _measure(view: View) -> tuple[str, str]:
    """The column of sensitivity.csv that is drawn, and what it is: published scores have no items,
    so that what is due to chance is unknown."""
    if view.given:
        return "spread", "Best minus worst format; never negative, and chance makes it positive"
    return "beyond_chance", "Best minus worst format, less the mean of what chance alone gives"


def over_seeds(sensitivity: pd.DataFrame, column: str) -> pd.DataFrame:
    """`value`: mean over seeds of a column of sensitivity.csv; it has no intervals."""
    grouped = sensitivity.groupby(_LINE, sort=True)
    rows = grouped.agg(value=(column, "mean"), seeds=(column, "count")).reset_index()
    return rows.assign(low=np.nan, high=np.nan)


def seeds_words(rows: pd.DataFrame) -> str:
    """Over how many seeds a figure's values are means."""
    return "means over seeds where there are several" if (rows["seeds"] > 1).any() else "1 seed"


def _from_zero(ax: Axes, rows: pd.DataFrame) -> None:
    """An axis that begins at 0, or shows 0 as a line where values lie below."""
    if rows["value"].min() < 0:
        ax.axhline(0, color=TEXT_COLOUR, linewidth=0.6)
    else:
        ax.set_ylim(0, None)


def format_trend(view: View) -> Figure:
    """Spread over formats along pre-training, one line per pair, and its slopes."""
    own = view.tables["sensitivity"]
    column, what = _measure(view)
    rows = over_seeds(own[own["recipe"] != "base"], column)
    slopes = view.tables["format_trend"]
    names = sorted(set(slopes["train_set"]) - {""})
    colours = {name: look.colour for name, look in looks(names).items()}

    def draw(ax: Axes) -> None:
        drawn = set(zip(slopes["recipe"], slopes["train_set"], slopes["eval_set"], strict=True))
        for key, mine in rows.groupby(["recipe", "train_set", "eval_set"], sort=True):
            if key in drawn:
                look = Look(str(key), colours[str(key[1])])
                line = mine.drop(columns="seeds")
                draw_series(ax, view.axis, Series(look, line), marks=False)
        _from_zero(ax, rows)
        panel_title(ax, "spread", "best minus worst format; one line a pair")

    return trend_figure(
        view,
        slopes,
        draw,
        title=f"{view.family}: spread over prompt formats along pre-training",
        note=f"Left: {what[0].lower()}{what[1:]}. Coloured by train set.",
        unit="change of spread per tenfold tokens",
        over="what a straight line leaves",
        colour=lambda row: colours.get(
            str(row["train_set"]), COLOURS[0] if not names else "#222222"
        ),
    )
