"""Figures of the effect of tuning on other sets: by set, kind and task, and ratios of change."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tuning_dynamics.common.formatting import percent, plural, signed
from tuning_dynamics.report.figures.axes import (
    at_least,
    checkpoint_words,
    joined,
    panel_title,
    panels,
)
from tuning_dynamics.report.figures.forest import ForestRow, draw_forest, height
from tuning_dynamics.report.figures.grids import (
    colour_bar,
    draw_heat,
    hatch_missing,
    name_fields,
)
from tuning_dynamics.report.figures.scores import empty
from tuning_dynamics.report.figures.series import Panel, Series, looks, series_figure
from tuning_dynamics.report.figures.style import COLOURS, style
from tuning_dynamics.report.figures.view import View, changed
from tuning_dynamics.stats.denominators import AT_CHANCE, NEAR_ZERO, ZERO, divided_by
from tuning_dynamics.tables.columns import POOLED

#: Mean ratio of change by kind tuned on and kind evaluated (Sun and Dredze, arXiv 2408.06663).
PUBLISHED_MEAN_RATIO = {
    ("classification", "generation"): -0.614,
    ("generation", "classification"): 0.003,
}

#: Statistics of transfer.csv in the figure's order, and their units.
STATISTICS = {
    "mean_ratio": "mean over pairs of change / base score",
    "ratio_of_means": "mean change / mean base score",
    "median_ratio": "median of change / base score",
    "mean_change": "points of score",
    "normalised_change": "share of the way from chance to 1",
}
RATIOS = ("mean_ratio", "ratio_of_means", "median_ratio")

#: The farthest from 0 that their axes reach: a loss can't be more, and a gain on next to nothing
#: would leave no room for others.
MOST_SHOWN = 1.0

#: Flags of denominators.csv: the sign in a field, its colour, and what it means.
FLAGS = {
    ZERO: ("0", "#D55E00", "base score 0, no ratio"),
    NEAR_ZERO: ("<", "#E69F00", "below 0.02"),
    AT_CHANCE: ("c", "#F0E442", "at chance"),
    "": ("", "#F4F4F4", "none of these"),
}


def transfer_heat_map(view: View) -> Figure:
    """Mean change by train set (rows) and evaluation set (columns) over all checkpoints."""
    cells = changed(view.main())
    title = f"{view.family}, {view.recipe}: change of score by tuning, mean over checkpoints"
    if cells["value"].isna().all():
        return empty(title, f"no change of recipe {view.recipe} is known")
    columns = cells[["task", "eval_set"]].drop_duplicates().sort_values(["task", "eval_set"])
    table = cells.pivot_table(index="train_set", columns="eval_set", values="value")
    table = table.reindex(index=_train_order(cells), columns=columns["eval_set"])
    values = table.to_numpy(dtype=float)
    points = sorted(cells.groupby(["train_set", "eval_set"])["value"].count())
    with style():
        frame = panels(
            1,
            1,
            title,
            joined(
                f"Rows: tuned on; columns: evaluated on, by task. Means over {_span(points)} "
                "checkpoints, each a mean over seeds; intervals are in seed_means.csv. Hatched: "
                "not evaluated.",
                view.untrained,
                view.compared_shots,
            ),
            size=(max(3.6, 0.52 * len(table.columns)), max(0.8, 0.36 * len(table))),
        )
        ax = frame.axes[0]
        image = draw_heat(ax, table, float(np.nanmax(np.abs(values))) or 1.0)
        name_fields(ax, table)
        colour_bar(frame, image, "change of score")
        panel_title(ax, "tuned minus base", "orange: gain, purple: loss")
    return frame.figure


def forgetting(view: View) -> Figure:
    """Mean change by task tuned on and task evaluated, a panel per checkpoint and one of all."""
    own = view.tables["forgetting"]
    title = f"{view.family}, {view.recipe}: change by task, along pre-training"
    if own["change"].isna().all():
        return empty(title, "no set was evaluated with a tuned model")
    rows, columns = (sorted(own[name].unique()) for name in ("train_task", "eval_task"))
    reach = float(own["change"].abs().max()) or 1.0
    single = own[own["checkpoint"] != POOLED]
    points = list(single.sort_values("step")["checkpoint"].unique())
    with style():
        frame = panels(
            len(points) + 1,
            min(6, len(points) + 1),
            title,
            joined(
                "Mean of tuned minus base score over the cells of a field; rows: task tuned on, "
                "columns: task evaluated. Orange: gain, purple: loss. In brackets: under the noise "
                "floor. Hatched: not evaluated. Intervals are in forgetting.csv.",
                "In italics: that floor is unknown."
                if "unknown" in set(own["under_floor"])
                else "",
                view.untrained,
                view.compared_shots,
            ),
            size=(max(1.3, 0.5 * len(columns)), max(0.7, 0.3 * len(rows))),
        )
        ways = zip(frame.axes, [*points, POOLED], frame.lowest, strict=True)
        for number, (ax, point, lowest) in enumerate(ways):
            mine = own[own["checkpoint"] == point]
            table = _fields(mine, "change", rows, columns)
            floors = _fields(mine, "under_floor", rows, columns)
            image = draw_heat(
                ax, table, reach, points=6.5, quiet=floors == "yes", unknown=floors == "unknown"
            )
            name_fields(ax, table, rows=number % 6 == 0, columns=lowest)
            words = (
                "all checkpoints" if point == POOLED else f"checkpoint {checkpoint_words(point)}"
            )
            panel_title(ax, words)
        colour_bar(frame, image, "change of score")
    return frame.figure


def _fields(
    cells: pd.DataFrame, value: str, rows: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    table = cells.pivot(index="train_task", columns="eval_task", values=value)
    return table.reindex(index=rows, columns=columns)


def transfer_by_checkpoint(view: View) -> Figure:
    """Mean change of other sets by checkpoint: a panel per kind evaluated, a line per kind tuned
    on."""
    own = view.tables["transfer"]
    own = own[(own["statistic"] == "mean_change") & (own["checkpoint"] != POOLED)]
    title = f"{view.family}, {view.recipe}: mean change of other sets, by kind tuned on"
    if own["value"].isna().all():
        return empty(title, "no set other than the train set was evaluated")
    kinds = sorted(own["train_kind"].unique())
    names = looks([f"tuned on {kind.replace('_', ' ')}" for kind in kinds])
    styles = dict(zip(kinds, names.values(), strict=True))
    shown = []
    for kind in sorted(own["eval_kind"].unique()):
        rows = own[own["eval_kind"] == kind]
        series = [Series(look, rows[rows["train_kind"] == name]) for name, look in styles.items()]
        shown.append(
            Panel(
                f"on {kind.replace('_', ' ')} sets",
                "tuned minus base",
                [one for one in series if len(one.rows)],
                "change",
            )
        )
    with style():
        note = joined(
            f"Bands: {view.interval} over train sets and evaluation sets; none for 1 train set, or "
            "fewer than 4 evaluation sets.",
            view.compared_shots,
        )
        frame = series_figure(view.axis, shown, title, note)
        for ax in frame.axes:
            ax.axhline(0, color="#333333", linewidth=0.8)
    return frame.figure


def transfer_statistics(view: View) -> Figure:
    """The mean ratio of change and robust alternatives over all checkpoints, a panel each, with a
    row for each pair of kinds; the published mean ratio."""
    own = view.tables["transfer"]
    own = own[own["checkpoint"] == POOLED]
    title = f"{view.family}, {view.recipe}: mean ratio of change and robust alternatives"
    if own.empty:
        return empty(title, "no set other than the train set was evaluated")
    names = [name for name in STATISTICS if name in set(own["statistic"])]
    pairs = len(own[["train_kind", "eval_kind"]].drop_duplicates())
    with style():
        frame = panels(
            len(names),
            3,
            title,
            joined(
                "Rows: kind tuned on to kind evaluated. All checkpoints. Whiskers: "
                f"{view.interval} over train sets and evaluation sets; none for a median, 1 train "
                "set, or fewer than 4 evaluation sets. The ratios share an axis, and so do the "
                "changes; an arrow points to a value beyond it, and a whisker may leave it. x: the "
                "mean ratio as published.",
                view.untrained,
                view.compared_shots,
            ),
            size=(3.4, height(pairs)),
        )
        for ax, name in zip(frame.axes, names, strict=True):
            ratio = name in RATIOS
            rows = own[own["statistic"] == name].sort_values(["train_kind", "eval_kind"])
            alike = own[
                own["statistic"].isin([other for other in names if (other in RATIOS) == ratio])
            ]
            panel_title(ax, name.replace("_", " "), STATISTICS[name])
            draw_forest(
                ax, [_statistic(row) for row in rows.to_dict("records")], limits=_reach(alike)
            )
            if ratio:
                ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    return frame.figure


def _reach(rows: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis of some rows of transfer.csv: room for all, but at most MOST_SHOWN."""
    ends = rows[["value", "low", "high"]].to_numpy(dtype=float)
    low, high = min(float(np.nanmin(ends)), 0.0), max(float(np.nanmax(ends)), 0.0)
    low, high = at_least(max(low, -MOST_SHOWN), min(high, MOST_SHOWN))
    room = 0.06 * (high - low)
    return low - room, high + room


def _statistic(row: dict[Hashable, Any]) -> ForestRow:
    name, value = row["statistic"], float(row["value"])
    pair = row["train_kind"], row["eval_kind"]
    words = " to ".join(kind.replace("_", " ") for kind in pair)
    shown = percent(value) if name in RATIOS else signed(value)
    return ForestRow(
        words=f"{words}: {shown} ({plural(row['cells'], 'cell')})",
        value=value,
        low=float(row["low"]),
        high=float(row["high"]),
        colour=COLOURS[0] if name in RATIOS else COLOURS[2],
        compared=PUBLISHED_MEAN_RATIO.get(pair) if name == "mean_ratio" else None,
    )


def denominators(view: View) -> Figure:
    """Base scores that a ratio should not be divided by, by evaluation set and checkpoint."""
    own = view.tables["denominators"]
    means = view.tables["seed_means"]
    own = divided_by(own, means[means["change"].notna()])
    title = f"{view.family}: base scores that a ratio of change divides by"
    if own.empty:
        return empty(title, "no set other than the train set was evaluated")
    order = own[["checkpoint", "step"]].drop_duplicates().sort_values("step")
    # With several prediction methods, the most doubtful base score is shown.
    ranks = own.assign(rank=own["flag"].map(list(FLAGS).index))
    table = ranks.pivot_table(index="eval_set", columns="checkpoint", values="rank", aggfunc="min")
    table = table.reindex(columns=order["checkpoint"]).sort_index()
    table.columns = [checkpoint_words(name) for name in order["checkpoint"]]
    counts = own["flag"].value_counts()
    words = "; ".join(
        f"{sign or 'blank'}: {meaning} ({counts.get(flag, 0)})"
        for flag, (sign, _, meaning) in FLAGS.items()
    )
    with style():
        frame = panels(
            1,
            1,
            title,
            f"{words}. At chance: the low end of the base score's {view.interval} is not above it. "
            "Hatched: no tuned model is compared with it. Checkpoints and sets without one are "
            "left out.",
            size=(max(1.6, 0.32 * len(table.columns)), max(0.6, 0.24 * len(table))),
        )
        ax = frame.axes[0]
        panel_title(ax, "base score", "by evaluation set and checkpoint")
        values = table.to_numpy(dtype=float)
        ax.set_xlim(-0.5, len(table.columns) - 0.5)
        ax.set_ylim(len(table) - 0.5, -0.5)
        hatch_missing(ax, np.isnan(values))
        for row, column in np.argwhere(~np.isnan(values)):
            sign, colour, _ = list(FLAGS.values())[int(values[row, column])]
            ax.fill(
                [column - 0.47, column + 0.47, column + 0.47, column - 0.47],
                [row - 0.45, row - 0.45, row + 0.45, row + 0.45],
                color=colour,
                linewidth=0,
            )
            ax.text(column, row, sign, ha="center", va="center", fontsize=7)
        name_fields(ax, table, aslant=False)
    return frame.figure


def _span(counts: Sequence[int]) -> str:
    """`4`, or `2 to 4`, of sorted counts."""
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"


def _train_order(cells: pd.DataFrame) -> list[str]:
    """Train sets in the order of their own tasks' columns, those without one last."""
    own = cells[cells["role"].isin(["id", "ood"])].groupby("train_set")["task"].first()
    names = sorted(cells["train_set"].unique())
    return sorted(names, key=lambda name: (name not in own.index, own.get(name, ""), name))
