"""A quantity along pre-training, and its slopes per tenfold tokens against the noise floor."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning_dynamics.report.figures.axes import (
    X_WORDS,
    at_least,
    draw_token_axis,
    hole_words,
    joined,
    nothing_to_draw,
    panel_title,
    panels,
)
from tuning_dynamics.report.figures.forest import ForestRow, draw_forest, height
from tuning_dynamics.report.figures.scores import empty
from tuning_dynamics.report.figures.style import style
from tuning_dynamics.report.figures.view import View


def trend_figure(
    view: View,
    slopes: pd.DataFrame,
    draw: Callable[[Axes], None],
    *,
    title: str,
    note: str,
    unit: str,
    over: str,
    colour: Callable[[dict[Any, Any]], str],
) -> Figure:
    """The curves drawn by `draw`, and rows of latent_gain.csv or format_trend.csv as a forest plot.

    `over` names what a pair's intervals are over. Pooled rows come last; those under the noise
    floor are hollow, those whose floor is unknown half filled.
    """
    if slopes.empty:
        return empty(title, "too few checkpoints were tuned for a trend")
    records = slopes.to_dict("records")
    ordered = sorted(records, key=lambda row: row["train_set"] == "")
    rows = [_estimate(row, colour(row)) for row in ordered]
    unknown = " Half filled: that floor is unknown." if any(row.unknown for row in rows) else ""
    bare = (
        " No whisker: too few checkpoints, or sets, for an interval."
        if any(np.isnan(row.low) and not np.isnan(row.value) for row in rows)
        else ""
    )
    passed = int(slopes["checkpoints"].max()) < len(view.axis.checkpoints)
    with style():
        frame = panels(
            2,
            2,
            title,
            joined(
                f"Right: least-squares slopes over log tokens, pooled ones last. Whiskers: "
                f"{view.interval}, of a pair over {over}, of pooled ones over train sets and "
                "evaluation sets. Hollow: under the noise floor of its sets (shaded: that "
                f"of all).{unknown}{bare} {note}",
                "Dotted lines pass by checkpoints without a tuned model." if passed else "",
                hole_words(view.axis),
                X_WORDS,
            ),
            size=(3.3, max(1.8, height(len(rows)))),
        )
        left, right = frame.axes
        if view.axis.checkpoints:
            draw(left)
            draw_token_axis(left, view.axis, labels=True)
            left.set_ylim(at_least(*left.get_ylim()))
        else:
            nothing_to_draw(left, "no checkpoint")
        panel_title(right, "slopes", unit)
        pooled = slopes[slopes["train_set"] == ""]["floor"].dropna()
        draw_forest(right, rows, floor=float(pooled.max()) if len(pooled) else None)
    return frame.figure


def _estimate(row: dict[Any, Any], colour: str) -> ForestRow:
    pooled = row["train_set"] == ""
    group = str(row.get("group", "")).replace("_", " ")
    words = f"all pairs {group}".strip() if pooled else f"{row['train_set']} on {row['eval_set']}"
    return ForestRow(
        words=f"{words} ({row['checkpoints']} checkpoints)",
        value=float(row["slope"]),
        low=float(row["low"]),
        high=float(row["high"]),
        colour=colour,
        hollow=row["under_floor"] == "yes",
        unknown=row["under_floor"] == "unknown",
    )
