"""Figures of sets learned in pre-training and others: change by tuning, and gain over time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning_dynamics.report.figures.axes import (
    Look,
    checkpoint_words,
    joined,
    mark_missing,
    panel_title,
    panels,
    share_heights,
    whiskers,
)
from tuning_dynamics.report.figures.forest import ForestRow, draw_forest, height
from tuning_dynamics.report.figures.scores import empty
from tuning_dynamics.report.figures.series import Series, draw_series
from tuning_dynamics.report.figures.style import (
    COLOURS,
    GROUP_COLOURS,
    MISSING_COLOUR,
    TEXT_COLOUR,
    style,
)
from tuning_dynamics.report.figures.trends import trend_figure
from tuning_dynamics.report.figures.view import View, changed
from tuning_dynamics.tables.columns import POOLED


def change_by_group(view: View) -> Figure:
    """Mean change of the sets of each group by checkpoint, bars with intervals."""
    own = view.tables["group_changes"]
    title = f"{view.family}: change of sets learned in pre-training and of others"
    if own["mean_change"].isna().all():
        return empty(title, "no evaluation set of a group was tuned on")
    places = own[own["checkpoint"] != POOLED][["step", "checkpoint"]].drop_duplicates()
    places = places.sort_values("step")
    labels = [*places["checkpoint"], POOLED]
    names = [name for name in GROUP_COLOURS if name in set(own["group"])]
    legend = [Look(name.replace("_", " "), GROUP_COLOURS[name], "s", "") for name in names]
    with style():
        frame = panels(
            1,
            1,
            title,
            joined(
                "Bars: mean of tuned minus base score; number: cells in it. Whiskers: "
                f"{view.interval} over train sets and evaluation sets; none for 1 train set, or "
                "fewer than 4 evaluation sets (a difference of groups needs 2 in each). x: none of "
                "the group. Below: checkpoint.",
                view.untrained,
                view.compared_shots,
            ),
            legend=legend,
            size=(max(5.4, 0.2 * len(labels) * len(names) + 0.5), 2.1),
        )
        ax = frame.axes[0]
        panel_title(ax, "mean change of score", "tuned minus base")
        for number, name in enumerate(names):
            rows = own[own["group"] == name].set_index("checkpoint").reindex(labels)
            _bars(ax, number, len(names), rows, GROUP_COLOURS[name])
        words = [*map(checkpoint_words, places["checkpoint"]), POOLED]
        ax.set_xticks(range(len(labels)), words)
        ax.axhline(0, color="#333333", linewidth=0.8)
        ax.margins(x=0.02, y=0.14)
        share_heights([ax], ["change"])
    return frame.figure


def _bars(ax: Axes, number: int, of: int, rows: pd.DataFrame, colour: str) -> None:
    """One of `of` series of bars with whiskers and counts; a missing value is a cross."""
    width = 0.8 / of
    places = np.arange(len(rows)) + (number - (of - 1) / 2) * width
    heights, low, high = (
        rows[name].to_numpy(dtype=float) for name in ("mean_change", "low", "high")
    )
    there = ~np.isnan(heights)
    ax.bar(places[there], heights[there], width * 0.94, color=colour)
    bounded = there & ~np.isnan(low)
    ax.errorbar(
        places[bounded],
        heights[bounded],
        yerr=whiskers(heights[bounded], low[bounded], high[bounded]),
        fmt="none",
        ecolor="#222222",
        elinewidth=0.9,
        capsize=1.8,
    )
    mark_missing(ax, places[~there], colour)
    for index in np.flatnonzero(there):
        up = heights[index] >= 0
        ends = [heights[index], high[index] if up else low[index]]
        ax.annotate(
            str(int(rows["cells"].iloc[index])),
            (places[index], np.nanmax(ends) if up else np.nanmin(ends)),
            (0, 2 if up else -2),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=6,
            color=TEXT_COLOUR,
        )


def ood_change(view: View) -> Figure:
    """Change on out-of-domain sets by task: bars of means, and each pair along pre-training."""
    cells = changed(view.main("ood"))
    cells = cells[cells["value"].notna()]
    title = f"{view.family}, {view.recipe}: change out of domain, by task"
    if cells.empty:
        return empty(title, "no out-of-domain set was evaluated")
    tasks = sorted(cells["task"].unique())
    order = view.axis.checkpoints
    with style():
        frame = panels(
            1,
            1,
            title,
            joined(
                "Bars: mean of tuned minus base score over a task's out-of-domain pairs and "
                f"checkpoints ({len(cells)} cells in all). Lines: each pair of train set and "
                "evaluation set, from the first checkpoint (left) to the last; their spread is "
                "what the mean has no interval for. Intervals of single changes are in "
                "seed_means.csv.",
                view.untrained,
                view.compared_shots,
            ),
            size=(max(5.2, 1.2 * len(tasks)), 2.0),
        )
        ax = frame.axes[0]
        panel_title(ax, "change of score", "tuned minus base")
        for place, task in enumerate(tasks):
            rows = cells[cells["task"] == task]
            ax.bar(place, rows["value"].mean(), 0.84, color=COLOURS[0], alpha=0.35)
            for _, pair in rows.groupby(["train_set", "eval_set"]):
                values = view.axis.in_order(pair, title)["value"].to_numpy(dtype=float)
                across = place - 0.38 + 0.76 * (np.arange(len(order)) + 0.5) / len(order)
                there = ~np.isnan(values)
                ax.plot(across[there], values[there], "o-", color="#333333", linewidth=0.8, ms=2.4)
        ax.set_xticks(range(len(tasks)), [name.replace("_", " ") for name in tasks], fontsize=8)
        ax.axhline(0, color="#333333", linewidth=0.8)
        share_heights([ax], ["change"])
    return frame.figure


def group_rules(view: View) -> Figure:
    """How much more the other sets gain than the learned ones, under each grouping rule."""
    own = view.tables["group_rules"]
    title = f"{view.family}: gain of other sets over learned ones, by rule"
    if own.empty:
        return empty(title, "nothing was tuned, so no rule can be tried")
    rows = [
        ForestRow(
            words=_rule(row),
            value=float(row["difference"]),
            low=float(row["low"]),
            high=float(row["high"]),
            colour=COLOURS[0],
        )
        for row in own.to_dict("records")
    ]
    with style():
        frame = panels(
            1,
            1,
            title,
            joined(
                "Mean change of other sets minus that of those learned in pre-training. Whiskers: "
                f"{view.interval} over train sets and evaluation sets; none for 1 train set, or "
                "where a group has fewer than 2 evaluation sets. n/a: a group is empty.",
                view.untrained,
                view.compared_shots,
            ),
            size=(5.6, height(len(rows))),
        )
        panel_title(frame.axes[0], "difference of mean changes")
        draw_forest(frame.axes[0], rows)
    return frame.figure


def _rule(row: dict[object, object]) -> str:
    alpha = "" if pd.isna(row["alpha"]) else f", alpha {float(str(row['alpha'])):g}"
    return (
        f"{str(row['rule']).replace('_', ' ')}{alpha}: {row['learned']} learned, "
        f"{row['other']} other, {row['undecided']} undecided; {row['cells']} cells"
    )


def latent_gain(view: View) -> Figure:
    """Change by tuning along pre-training on sets of the task tuned on, and its slopes."""
    slopes = view.tables["latent_gain"]
    groups = slopes[slopes["train_set"] != ""].set_index(["train_set", "eval_set"])["group"]
    cells = changed(view.main("id", "ood"))
    compared = pd.MultiIndex.from_frame(cells[["train_set", "eval_set"]]).isin(groups.index)
    cells = cells[compared]

    def draw(ax: Axes) -> None:
        for pair, rows in _pairs(cells):
            colour = GROUP_COLOURS.get(str(groups.get(pair, "")), MISSING_COLOUR)
            line = rows.assign(low=np.nan, high=np.nan).drop(columns="seeds")
            draw_series(ax, view.axis, Series(Look(" on ".join(pair), colour), line), marks=False)
        panel_title(ax, "change of score", "tuned minus base; one line a pair")

    return trend_figure(
        view,
        slopes,
        draw,
        title=f"{view.family}: gain by tuning along pre-training",
        note=joined(
            "Blue: learned in pre-training, orange: other sets, grey: undecided. Left: all items; "
            "right: where groups are made from one half of the items, the other half.",
            view.compared_shots,
        ),
        unit="change of gain per tenfold tokens",
        over="items and seeds (of what a line leaves, where items are unknown)",
        colour=lambda row: GROUP_COLOURS.get(str(row["group"]), "#222222"),
    )


def _pairs(cells: pd.DataFrame) -> Sequence[tuple[tuple[str, str], pd.DataFrame]]:
    grouped = cells.groupby(["train_set", "eval_set"], sort=True)
    return [((str(key[0]), str(key[1])), rows) for key, rows in grouped]
