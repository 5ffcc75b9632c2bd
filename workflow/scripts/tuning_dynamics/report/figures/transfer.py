"""Figures of the effect of tuning on other sets: by set, kind and task, and ratios of change."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tuning_dynamics.report.figures.axes import checkpoint_words, joined, panel_title, panels
from tuning_dynamics.report.figures.forest import ForestRow, draw_forest, height
from tuning_dynamics.report.figures.grids import draw_heat, hatch_missing, name_fields
from tuning_dynamics.report.figures.scores import empty
from tuning_dynamics.report.figures.series import Panel, Series, looks, series_figure
from tuning_dynamics.report.figures.style import COLOURS, style
from tuning_dynamics.report.figures.view import View, changed
from tuning_dynamics.stats.denominators import AT_CHANCE, NEAR_ZERO, ZERO
from tuning_dynamics.tables.columns import POOLED

#: Mean ratio of change by kind tuned on and kind evaluated (Sun and Dredze, arXiv 2408.06663).
PUBLISHED_MEAN_RATIO = {
    ("classification", "generation"): -0.614,
    ("generation", "classification"): 0.003,
}

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
                view.compared_shots,
            ),
            size=(max(3.6, 0.52 * len(table.columns)), max(0.8, 0.36 * len(table))),
        )
        ax = frame.axes[0]
        draw_heat(ax, table, float(np.nanmax(np.abs(values))) or 1.0)
        name_fields(ax, table)
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
                view.compared_shots,
            ),
            size=(max(1.3, 0.42 * len(columns)), max(0.7, 0.3 * len(rows))),
        )
        ways = zip(frame.axes, [*points, POOLED], frame.lowest, strict=True)
        for number, (ax, point, lowest) in enumerate(ways):
            mine = own[own["checkpoint"] == point]
            table = _fields(mine, "change", rows, columns)
            quiet = _fields(mine.assign(q=mine["under_floor"] == "yes"), "q", rows, columns)
            draw_heat(ax, table, reach, points=6.5, quiet=quiet == True)  # noqa: E712
            name_fields(ax, table, rows=number % 6 == 0, columns=lowest)
            words = (
                "all checkpoints" if point == POOLED else f"checkpoint {checkpoint_words(point)}"
            )
            panel_title(ax, words)
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
    """The mean ratio of change and robust alternatives over all checkpoints; the published one."""
    own = view.tables["transfer"]
    own = own[own["checkpoint"] == POOLED]
    title = f"{view.family}, {view.recipe}: mean ratio of change and robust alternatives"
    if own.empty:
        return empty(title, "no set other than the train set was evaluated")
    pairs = sorted(set(zip(own["train_kind"], own["eval_kind"], strict=True)))
    statistics = list(own["statistic"].unique())
    with style():
        frame = panels(
            len(pairs),
            3,
            title,
            joined(
                f"All checkpoints. Whiskers: {view.interval} over train sets and evaluation sets; "
                "none for a median, 1 train set, or fewer than 4 evaluation sets. Ratios are "
                "shares of the base score, changes are in points of score. x: the mean ratio as "
                "published.",
                view.compared_shots,
            ),
            size=(2.7, height(len(statistics))),
        )
        for ax, pair in zip(frame.axes, pairs, strict=True):
            rows = own[(own["train_kind"] == pair[0]) & (own["eval_kind"] == pair[1])]
            names = " to ".join(name.replace("_", " ") for name in pair)
            panel_title(ax, names, _counted(rows))
            draw_forest(ax, [_statistic(row, pair) for row in rows.to_dict("records")])
    return frame.figure


def _statistic(row: dict[str, object], pair: tuple[str, str]) -> ForestRow:
    name = str(row["statistic"])
    ratio = name == "mean_ratio"
    return ForestRow(
        words=name.replace("_", " "),
        value=float(str(row["value"])),
        low=float(str(row["low"])),
        high=float(str(row["high"])),
        colour=COLOURS[0] if "ratio" in name else COLOURS[2],
        compared=PUBLISHED_MEAN_RATIO.get(pair) if ratio else None,
    )


def _counted(rows: pd.DataFrame) -> str:
    """The number of cells; those with a base score of 0 have no ratio."""
    cells = rows.set_index("statistic")["cells"]
    ratios, changes = int(cells["mean_ratio"]), int(cells["mean_change"])
    without = changes - ratios
    return f"{changes} cells, {without} without a ratio" if without else f"{changes} cells"


def denominators(view: View) -> Figure:
    """Base scores that a ratio should not be divided by, by evaluation set and checkpoint."""
    own = view.tables["denominators"]
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
            "Hatched: not evaluated.",
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
