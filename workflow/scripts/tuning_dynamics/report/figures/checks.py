"""Figures for checks: where curves turn, the noise floor, the loss on a fixed text."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning_dynamics.common.constants import LEAST_FOR_A_TURN
from tuning_dynamics.common.formatting import metric_text, short_count
from tuning_dynamics.report.figures.axes import (
    LEAST_RANGE,
    X_WORDS,
    Look,
    TokenAxis,
    draw_token_axis,
    hole_words,
    joined,
    panel_title,
    panels,
)
from tuning_dynamics.report.figures.forest import ROW_INCHES
from tuning_dynamics.report.figures.scores import baselines, empty
from tuning_dynamics.report.figures.series import (
    BASE_LOOK,
    Panel,
    Series,
    draw_series,
    looks,
    series_figure,
)
from tuning_dynamics.report.figures.style import BASE_COLOUR, COLOURS, TEXT_COLOUR, style
from tuning_dynamics.report.figures.view import (
    View,
    bands_words,
    metric_words,
    probable,
    seeds_words,
    shots_words,
)
from tuning_dynamics.stats.checkpoint_curve import TOLERANCE
from tuning_dynamics.stats.curve_measure import PROBABILITY
from tuning_dynamics.stats.curve_shape import TOO_FEW
from tuning_dynamics.tables.columns import POOLED

KINDS = {"seeds": "between seeds", "near_checkpoints": "between near-identical checkpoints"}


def turning_points(view: View) -> Figure:
    """Base scores, and scores of the main recipe on its own task, with their turning points; of a
    set that is judged by the probability of the right option, that. Tuned curves with too few
    checkpoints for one are left out."""
    estimates = view.tables["turning_points"]
    every = view.main("id", "ood")
    short = estimates[estimates["shape"] == TOO_FEW][["recipe", "train_set", "eval_set"]]
    tuned = every.merge(short, how="left", indicator=True).query("_merge == 'left_only'")
    names = looks([f"tuned on {name}" for name in sorted(tuned["train_set"].unique())])
    shown, turns = [], []
    for eval_set in sorted(view.base["eval_set"].unique()):
        base = view.base[view.base["eval_set"] == eval_set]
        mine = tuned[tuned["eval_set"] == eval_set]
        metric = metric_words(base)
        chance, majority = baselines(view, eval_set, metric)
        if _by_probability(estimates, eval_set):
            base, mine = probable(base), probable(mine)
            metric, majority = metric_text(PROBABILITY), None
        series = [Series(BASE_LOOK, base)]
        keys = [("base", "")]
        for train_set in sorted(mine["train_set"].unique()):
            rows = mine[mine["train_set"] == train_set]
            series.append(Series(names[f"tuned on {train_set}"], rows))
            keys.append((view.recipe, train_set))
        shown.append(Panel(eval_set, metric, series, metric, chance, majority))
        turns.append([_found(estimates, *key, eval_set) for key in keys])
    title = f"{view.family}: where scores stop rising"
    if not shown:
        return empty(title, "no set was evaluated with the base model")
    note = joined(
        "At the foot, a row for each line: point and line, the turning point of a broken line "
        f"over log tokens with its {view.interval}; pale, the distance between the checkpoints on "
        "either side of it; in words if there is none.",
        f"Left out: tuned models at fewer than {LEAST_FOR_A_TURN} checkpoints."
        if len(tuned) < len(every)
        else "",
        bands_words(view, pd.concat([view.base, tuned])),
        shots_words(view.base, tuned),
    )
    with style():
        frame = series_figure(view.axis, shown, title, note)
        for ax, panel, rows in zip(frame.axes, shown, turns, strict=True):
            _make_room(ax, len(rows))
            for number, (one, row) in enumerate(zip(panel.series, rows, strict=True)):
                _turn(ax, view.axis, one.look, row, 0.04 + 0.075 * (len(rows) - 1 - number))
    return frame.figure


def _by_probability(estimates: pd.DataFrame, eval_set: str) -> bool:
    """Whether turning_points.csv judges the set's curves by the probability of the right option."""
    own = estimates[(estimates["eval_set"] == eval_set) & (estimates["recipe"] == "base")]
    return bool((own["measure"] == PROBABILITY).any())


def _found(
    estimates: pd.DataFrame, recipe: str, train_set: str, eval_set: str
) -> dict[Any, Any] | None:
    """The row of turning_points.csv for one line; None if there is none."""
    own = estimates[
        (estimates["recipe"] == recipe)
        & (estimates["train_set"] == train_set)
        & (estimates["eval_set"] == eval_set)
    ]
    return None if own.empty else dict(own.iloc[0])


def _make_room(ax: Axes, rows: int) -> None:
    low, high = ax.get_ylim()
    share = 0.075 * rows + 0.05
    ax.set_ylim(low - (high - low) * share / (1 - share), high)


def _turn(ax: Axes, axis: TokenAxis, look: Look, row: dict[Any, Any] | None, place: float) -> None:
    """One line's turning point; or in words why there is none, and where it can't be."""
    foot = ax.get_xaxis_transform()

    def span(low: float, high: float, width: float, alpha: float = 1.0) -> None:
        ax.plot(
            [axis.at(low), axis.at(high)],
            [place, place],
            color=look.colour,
            linewidth=width,
            alpha=alpha,
            solid_capstyle="butt",
            transform=foot,
        )

    if row is not None and pd.notna(row["tokens"]):
        span(row["gap_low"], row["gap_high"], 4.0, 0.3)
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            span(row["low"], row["high"], 1.3)
        ax.plot([axis.at(row["tokens"])], [place], "D", color=look.colour, transform=foot)
        return
    words = "no estimate" if row is None else str(row["shape"]).replace("_", " ")
    ax.text(
        axis.limits[0],
        place,
        f" {words}",
        transform=foot,
        fontsize=6,
        va="center",
        color=look.colour,
        bbox={"facecolor": "white", "linewidth": 0, "pad": 0.3},
    )


def noise(view: View) -> Figure:
    """The noise floor by evaluation set, and the cells that it is pooled from."""
    own = view.tables["noise"]
    title = f"{view.family}: what differs although nothing should"
    if own.empty:
        return empty(title, "no cell has a second seed or a near-identical checkpoint")
    pairs = sorted(set(zip(own["kind"], own["recipe"], strict=True)), reverse=True)
    names = {pair: f"{KINDS[pair[0]]}, {pair[1]}" for pair in pairs}
    styles = looks(list(names.values()), "")
    labels = _set_labels(own)
    sets = sorted(labels.unique())
    with style():
        frame = panels(
            1,
            1,
            title,
            "Large: root mean square difference of two scores that should be equal, pooled over "
            "the cells of a set (the noise floor). Small: single cells. Nothing under the floor is "
            "claimed.",
            legend=list(styles.values()),
            size=(5.0, max(0.8, ROW_INCHES * len(sets))),
        )
        ax = frame.axes[0]
        panel_title(ax, "difference of score")
        for number, pair in enumerate(pairs):
            rows = own[(own["kind"] == pair[0]) & (own["recipe"] == pair[1])]
            shift = (number - (len(pairs) - 1) / 2) * 0.7 / len(pairs)
            heights = np.array([sets.index(labels[row]) for row in rows.index]) + shift
            pooled = (rows["checkpoint"] == POOLED).to_numpy()
            values = rows["difference"].to_numpy(dtype=float)
            look = styles[names[pair]]
            ax.plot(
                values[~pooled], heights[~pooled], ".", color=look.colour, markersize=3, alpha=0.6
            )
            ax.plot(
                values[pooled],
                heights[pooled],
                look.marker,
                color=look.colour,
                markersize=6,
                markeredgecolor="white",
                markeredgewidth=0.6,
            )
        ax.set_yticks(range(len(sets)), sets)
        ax.set_ylim(len(sets) - 0.5, -0.5)
        ax.set_xlim(0, max(LEAST_RANGE, ax.get_xlim()[1]))
    return frame.figure


def _set_labels(rows: pd.DataFrame) -> pd.Series:
    """Each row's evaluation set; with its metric where the set has several."""
    several = rows.groupby("eval_set")["metric"].transform("nunique") > 1
    return rows["eval_set"].where(~several, rows["eval_set"] + ", " + rows["metric"])


def text_loss(view: View) -> Figure:
    """Loss on a fixed text by checkpoint, of base and, where it was measured, of models tuned by
    the main recipe; checkpoints that do not fit the curve are crosses, which the line skips."""
    own = view.tables["checkpoints"].sort_values(["tokens", "step", "checkpoint"])
    tuned = _tuned_losses(view)
    what = "before and after tuning" if tuned else "by which a wrong label shows"
    title = f"{view.family}: loss on a fixed text, {what}"
    losses = own["text_loss"].to_numpy(dtype=float)
    if np.isnan(losses).all():
        return empty(title, "no loss on a text is known")
    broken = (own["breaks_curve"] == "yes").to_numpy()
    places = np.asarray(view.axis.places)
    fits, breaks = Look("fits the curve", COLOURS[0]), Look("does not fit", COLOURS[1], "X", "")
    if tuned:  # their colours are those of the train sets
        fits, breaks = BASE_LOOK, Look("base, does not fit", BASE_COLOUR, "X", "")
    compared = [fits] if tuned or broken.any() else []
    with style():
        frame = panels(
            1,
            1,
            title,
            joined(
                f"Loss falls with pre-training. Does not fit: by more than {TOLERANCE:g} nats per "
                "token.",
                _tuned_words(view, tuned),
                hole_words(view.axis),
                X_WORDS,
            ),
            legend=[
                *compared,
                *([breaks] if broken.any() else []),
                *(one.look for one in tuned),
            ],
            size=(5.4, 2.0),
        )
        ax = frame.axes[0]
        panel_title(ax, "loss", "nats per token")
        ax.plot(
            places[~broken],
            losses[~broken],
            fits.dash,
            color=fits.colour,
            marker=fits.marker,
        )
        ax.plot(places[broken], losses[broken], "X", color=breaks.colour, markersize=8)
        for one in tuned:
            draw_series(ax, view.axis, one, marks=False)
        _holes(ax, view.axis)
        ax.margins(y=0.12)
        draw_token_axis(ax, view.axis, labels=True)
    return frame.figure


def _holes(ax: Axes, axis: TokenAxis) -> None:
    """How many tokens each hole of the series spans, above its place."""
    for start, end, tokens in axis.holes:
        ax.text(
            (start + end) / 2,
            0.97,
            f"none for\n{short_count(tokens)} tokens",
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=6.5,
            color=TEXT_COLOUR,
        )


def _tuned_losses(view: View) -> list[Series]:
    """Means over seeds of the losses of models tuned by the main recipe, by train set."""
    table = view.tables["text_losses"]
    own = table[(table["family"] == view.family) & (table["recipe"] == view.recipe)]
    styles = looks([f"tuned on {name}" for name in sorted(own["train_set"].unique())])
    means = own.groupby(["train_set", "checkpoint"], as_index=False).agg(
        value=("tuned_loss", "mean"), seeds=("seed", "nunique")
    )
    means = means.assign(low=np.nan, high=np.nan)  # one text: no interval
    return [
        Series(styles[f"tuned on {name}"], rows)
        for name, rows in means.groupby("train_set", sort=True)
    ]


def _tuned_words(view: View, tuned: list[Series]) -> str:
    """How the tuned models' lines were made; empty without any."""
    if not tuned:
        return ""
    rows = pd.concat([one.rows for one in tuned])
    passed = any(len(one.rows) < len(view.axis.checkpoints) for one in tuned)
    return joined(
        f"Tuned by {view.recipe}: {seeds_words(rows)}; one text, so no interval.",
        "Dotted lines pass checkpoints that were not tuned." if passed else "",
    )
