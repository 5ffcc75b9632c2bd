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
from tuning_dynamics.report.figures.style import COLOURS, style
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
    rows = over_seeds(own)
    styles = looks(sorted(rows["eval_set"].unique()))
    shown = []
    for (recipe, train_set), mine in rows.groupby(["recipe", "train_set"], sort=True):
        lines = [Series(look, mine[mine["eval_set"] == name]) for name, look in styles.items()]
        series = [line for line in lines if len(line.rows)]
        shown.append(Panel(str(train_set), f"{recipe}; spread", series, "spread"))
    several = bool((rows["seeds"] > 1).any())
    bands = (
        "No bands: intervals need the items, which are not known."
        if view.given
        else f"Bands: {view.interval} over items"
        + (", where there is one seed; else the mean over seeds." if several else "; 1 seed.")
    )
    note = f"Best minus worst format; never negative, and chance makes it positive. {bands}"
    with style():
        frame = series_figure(view.axis, shown, title, note)
        for ax in frame.axes:
            ax.set_ylim(0, None)
    return frame.figure


def over_seeds(sensitivity: pd.DataFrame) -> pd.DataFrame:
    """`value`: mean spread over seeds; an interval only for one seed, as intervals of several can't
    be averaged."""
    grouped = sensitivity.groupby(_LINE, sort=True)
    rows = grouped.agg(
        value=("spread", "mean"),
        low=("low", "first"),
        high=("high", "first"),
        seeds=("spread", "count"),
    ).reset_index()
    single = rows["seeds"] == 1
    return rows.assign(low=rows["low"].where(single), high=rows["high"].where(single))


def format_trend(view: View) -> Figure:
    """Spread over formats along pre-training, one line per pair, and its slopes."""
    own = view.tables["sensitivity"]
    rows = over_seeds(own[own["recipe"] != "base"])
    slopes = view.tables["format_trend"]
    names = sorted(set(slopes["train_set"]) - {""})
    colours = {name: look.colour for name, look in looks(names).items()}

    def draw(ax: Axes) -> None:
        drawn = set(zip(slopes["recipe"], slopes["train_set"], slopes["eval_set"], strict=True))
        for key, mine in rows.groupby(["recipe", "train_set", "eval_set"], sort=True):
            if key in drawn:
                line = mine.assign(low=np.nan, high=np.nan)
                look = Look(str(key), colours[str(key[1])])
                draw_series(ax, view.axis, Series(look, line), marks=False)
        ax.set_ylim(0, None)
        panel_title(ax, "spread", "best minus worst format; one line a pair")

    return trend_figure(
        view,
        slopes,
        draw,
        title=f"{view.family}: spread over prompt formats along pre-training",
        note="Coloured by train set.",
        unit="change of spread per tenfold tokens",
        over="items",
        colour=lambda row: colours.get(
            str(row["train_set"]), COLOURS[0] if not names else "#222222"
        ),
    )
