"""Figures of a study, each from its tables alone. A missing cell is drawn as missing, never as 0.

Each returns a matplotlib Figure; `report.style.save` writes it as SVG and PNG.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tuning_dynamics.report.axes import (
    Floats,
    TokenAxis,
    draw_token_axis,
    legend_above,
    mark_missing,
    nothing_to_draw,
    panel_title,
    panels,
    percent_level,
    share_heights,
    token_axis,
    whiskers,
)
from tuning_dynamics.report.numbers import short_count, signed
from tuning_dynamics.report.style import BASE_COLOUR, GROUP_COLOURS, colours, style
from tuning_dynamics.stats.select import one_per, primary_cells
from tuning_dynamics.stats.transfer import ALL
from tuning_dynamics.study.errors import StudyError

ROLES = {"id": "in domain", "ood": "out of domain", "cross": "other task", "bench": "benchmark"}

X_LABEL = "Below: tokens seen in pre-training (log scale) and step"


def score_by_checkpoint(
    scores: pd.DataFrame, *, family: str, train_set: str, level: float, by: str = "recipe"
) -> Figure:
    """Scores of the models tuned on `train_set`, and of the base model, by checkpoint.

    One panel per evaluation set; lines by `by`: "recipe" (format `default`) or "format" (of the
    first recipe, on sets evaluated in several formats). Bands are the cells' intervals; over
    several seeds the mean, with the mean of the seeds' interval ends. Raises StudyError for
    another `by`.
    """
    if by not in ("recipe", "format"):
        raise StudyError(
            "lines are drawn by recipe or by format", key="by", value=by, fix="give one of the two"
        )
    own = scores[scores["family"] == family]
    tuned = own[own["train_set"] == train_set]
    tuned = _in_several_formats(tuned) if by == "format" else primary_cells(tuned)
    base = primary_cells(own[own["recipe"] == "base"])
    sets = _ordered_sets(tuned)
    with style():
        axis = token_axis(scores, family)
        figure, axes = panels(
            max(1, len(sets)),
            3,
            f"{family} tuned on {train_set}: score by checkpoint, by {by}",
            f"Bands: {percent_level(level)} bootstrap interval over items ({_items(tuned)}); "
            f"{_seeds(tuned)}. {X_LABEL}.",
            legend=True,
        )
        if not sets:
            nothing_to_draw(axes[0], f"{train_set} is evaluated on no set in this view")
            return figure
        looks = colours(sorted(tuned[by].unique()))
        for ax, (eval_set, role) in zip(axes, sets, strict=True):
            cells = tuned[tuned["eval_set"] == eval_set]
            mine = base[base["eval_set"] == eval_set]
            _line(ax, axis, mine, "base", BASE_COLOUR, "o", "--", len(looks))
            for row, (name, (colour, marker)) in enumerate(looks.items()):
                _line(ax, axis, cells[cells[by] == name], name, colour, marker, "-", row)
            panel_title(ax, eval_set, f"{ROLES[role]}, {_metric(cells)}")
            draw_token_axis(ax, axis)
        metrics = tuned.groupby("eval_set")["metric"].first()
        share_heights(axes, [metrics[eval_set] for eval_set, _ in sets])
        legend_above(figure, axes)
    return figure


def base_by_checkpoint(
    scores: pd.DataFrame, groups: pd.DataFrame, *, family: str, level: float
) -> Figure:
    """Scores of the base model by checkpoint, a panel per set, coloured by its group."""
    base = primary_cells(scores[(scores["family"] == family) & (scores["recipe"] == "base")])
    own = groups[groups["family"] == family].set_index("eval_set")
    order = sorted(
        own.index, key=lambda name: (list(GROUP_COLOURS).index(own["group"][name]), name)
    )
    with style():
        axis = token_axis(scores, family)
        figure, axes = panels(
            max(1, len(order)),
            4,
            f"{family}, not tuned: what pre-training alone teaches",
            f"Bands: {percent_level(level)} bootstrap interval over items ({_items(base)}). "
            f"p: trend over log tokens, Kendall. {X_LABEL}.",
            legend=False,
        )
        if not order:
            nothing_to_draw(axes[0], "no set was evaluated with the base model")
            return figure
        for ax, eval_set in zip(axes, order, strict=True):
            group, p_value = own["group"][eval_set], own["trend_p"][eval_set]
            cells = base[base["eval_set"] == eval_set]
            _line(ax, axis, cells, group, GROUP_COLOURS[group], "o", "-")
            words = f"{group.replace('_', ' ')} (p = {p_value:.2g}), {_metric(cells)}"
            panel_title(ax, eval_set, words)
            draw_token_axis(ax, axis)
        metrics = base.groupby("eval_set")["metric"].first()
        share_heights(axes, [metrics[eval_set] for eval_set in order])
    return figure


def change_by_group(group_changes: pd.DataFrame, *, family: str, level: float) -> Figure:
    """Mean change of the sets of each group by checkpoint, bars with intervals."""
    own = group_changes[group_changes["family"] == family]
    places = own[own["checkpoint"] != ALL][["step", "checkpoint"]].drop_duplicates()
    places = places.sort_values("step")
    with style():
        figure, (ax,) = panels(
            1,
            1,
            f"{family}: change by tuning, of sets learned in pre-training and others",
            f"Bars: mean of tuned less base score; number: cells in it. Whiskers: "
            f"{percent_level(level)} bootstrap interval\nover (train set, evaluation set) pairs; "
            "none where there are fewer than 5.",
            legend=True,
        )
        if own.empty:
            nothing_to_draw(ax, "no evaluation set of a group was tuned on")
            return figure
        names = [name for name in GROUP_COLOURS if name in set(own["group"])]
        labels = [*places["checkpoint"], ALL]
        for number, name in enumerate(names):
            rows = own[own["group"] == name].drop_duplicates("checkpoint").set_index("checkpoint")
            rows = rows.reindex(labels)
            _bars(
                ax,
                number,
                len(names),
                rows["mean_change"],
                rows["low"],
                rows["high"],
                name.replace("_", " "),
                GROUP_COLOURS[name],
                rows["cells"],
            )
        ax.set_xticks(range(len(labels)), [*places["checkpoint"], "all"])
        ax.set_xlabel("checkpoint (step)")
        panel_title(ax, "mean change of score", "tuned less base")
        ax.axhline(0, color="#333333", linewidth=0.8)
        ax.margins(y=0.14)
        legend_above(figure, [ax])
    return figure


def ood_bars(scores: pd.DataFrame, *, family: str, recipe: str, level: float) -> Figure:
    """Tuned against base on out-of-domain sets, bars by checkpoint, a panel per pair."""
    own = scores[scores["family"] == family]
    base = primary_cells(own[own["recipe"] == "base"])
    tuned = primary_cells(own[(own["recipe"] == recipe) & (own["role"] == "ood")])
    pairs = sorted(set(zip(tuned["train_set"], tuned["eval_set"], strict=True)))
    with style():
        figure, axes = panels(
            max(1, len(pairs)),
            3,
            f"{family}, out of domain: tuned ({recipe}) against base",
            f"Whiskers: {percent_level(level)} bootstrap interval over items ({_items(tuned)}); "
            f"{_seeds(tuned)}. Checkpoints by step.",
            legend=True,
        )
        if not pairs:
            nothing_to_draw(axes[0], "no out-of-domain set was evaluated")
            return figure
        steps = sorted(int(step) for step in own["step"].unique())
        colour = colours([recipe])[recipe][0]
        for ax, (train_set, eval_set) in zip(axes, pairs, strict=True):
            before = _over_seeds(base[base["eval_set"] == eval_set]).reindex(steps)
            mine = tuned[(tuned["train_set"] == train_set) & (tuned["eval_set"] == eval_set)]
            after = _over_seeds(mine).reindex(steps)
            for number, (rows, name, shade) in enumerate(
                [(before, "base", "#A9A9A9"), (after, recipe, colour)]
            ):
                _bars(ax, number, 2, rows["score"], rows["ci_low"], rows["ci_high"], name, shade)
            panel_title(ax, eval_set, f"tuned on {train_set}, {_metric(mine)}")
            ax.set_xticks(range(len(steps)), [short_count(step) for step in steps])
            ax.set_ylim(0, None)
        legend_above(figure, axes)
    return figure


def transfer_heat_map(
    changes: pd.DataFrame, *, family: str, recipe: str, checkpoint: str = ALL
) -> Figure:
    """Mean change by train set (rows) and evaluation set (columns); `all` averages checkpoints.

    A pair that wasn't evaluated is hatched.
    """
    own = changes[(changes["family"] == family) & (changes["recipe"] == recipe)]
    if checkpoint != ALL:
        own = own[own["checkpoint"] == checkpoint]
    cells = primary_cells(own)
    columns = cells[["task", "eval_set"]].drop_duplicates().sort_values(["task", "eval_set"])
    where = "all checkpoints" if checkpoint == ALL else f"step {checkpoint}"
    with style():
        table = cells.pivot_table(index="train_set", columns="eval_set", values="change")
        table = table.reindex(index=_train_order(cells), columns=columns["eval_set"])
        size = (max(5.5, 2.4 + 0.55 * len(columns)), 2.2 + 0.42 * len(table))
        figure = Figure(figsize=size, layout="constrained")
        ax = figure.subplots()
        if table.empty:
            nothing_to_draw(ax, f"no changes of recipe {recipe} at {where}")
            return figure
        _heat(ax, table)
        image = ax.images[0]
        figure.suptitle(
            f"{family}, {recipe}: change of score by tuning, {where}",
            x=0.01,
            ha="left",
            fontsize=11,
            weight="bold",
        )
        bar = figure.colorbar(image, ax=ax, pad=0.015)
        bar.set_label("tuned less base", fontsize=8)
        ax.set_ylabel("tuned on")
        ax.set_xlabel(f"evaluated on (hatched: not evaluated; {len(cells)} cells)")
    return figure


def sensitivity_by_checkpoint(
    sensitivity: pd.DataFrame, scores: pd.DataFrame, *, family: str, level: float
) -> Figure:
    """Spread of scores over formats by checkpoint: a panel per train set, a line per set."""
    own = sensitivity[sensitivity["family"] == family]
    own = own[own["recipe"] != "base"]
    names = sorted(set(zip(own["recipe"], own["train_set"], strict=True)))
    with style():
        axis = token_axis(scores, family)
        figure, axes = panels(
            max(1, len(names)),
            3,
            f"{family}: how far the score moves with the prompt format",
            f"Best less worst format. Bands: {percent_level(level)} bootstrap interval over items; "
            f"{_seeds(own)}.\nA spread is never negative and chance "
            f"makes it positive. {X_LABEL}.",
            legend=False,
        )
        if not names:
            nothing_to_draw(axes[0], "no tuned model was evaluated in two formats")
            return figure
        top = max(0.05, float(own["high"].max()) * 1.08)
        for ax, (recipe, train_set) in zip(axes, names, strict=True):
            rows = own[(own["recipe"] == recipe) & (own["train_set"] == train_set)]
            rows = rows.rename(columns={"spread": "score", "low": "ci_low", "high": "ci_high"})
            looks = colours(sorted(rows["eval_set"].unique()))
            for row, (name, (colour, marker)) in enumerate(looks.items()):
                _line(ax, axis, rows[rows["eval_set"] == name], name, colour, marker, "-", row)
            panel_title(ax, train_set, f"{recipe}; spread of score")
            ax.set_ylim(0, top)
            ax.legend(fontsize=7, loc="best", handlelength=1.6)
            draw_token_axis(ax, axis)
    return figure


def transfer_by_checkpoint(
    transfer: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    family: str,
    level: float,
    statistic: str = "mean_change",
) -> Figure:
    """A transfer statistic by checkpoint: a panel per kind of evaluation set."""
    own = transfer[(transfer["family"] == family) & (transfer["statistic"] == statistic)]
    own = own[own["checkpoint"] != ALL]
    own = own.rename(columns={"value": "score", "low": "ci_low", "high": "ci_high"})
    kinds = sorted(own["eval_kind"].unique())
    with style():
        axis = token_axis(scores, family)
        figure, axes = panels(
            max(1, len(kinds)),
            3,
            f"{family}: {statistic.replace('_', ' ')} by kind tuned on",
            f"Sets other than the train set. Bands: {percent_level(level)} bootstrap interval over "
            f"(train set, evaluation set) pairs;\nnone where there are fewer than 5. {X_LABEL}.",
            legend=True,
        )
        if not kinds:
            nothing_to_draw(axes[0], "no set other than the train set was evaluated")
            return figure
        looks = colours(sorted(own["train_kind"].unique()))
        for ax, kind in zip(axes, kinds, strict=True):
            for row, (name, (colour, marker)) in enumerate(looks.items()):
                rows = own[(own["eval_kind"] == kind) & (own["train_kind"] == name)]
                _line(ax, axis, rows, f"tuned on {name}", colour, marker, "-", row)
            ax.axhline(0, color="#333333", linewidth=0.8)
            panel_title(ax, f"on {kind.replace('_', ' ')} sets", statistic.replace("_", " "))
            draw_token_axis(ax, axis)
        legend_above(figure, axes)
    return figure


def _line(
    ax: Axes,
    axis: TokenAxis,
    cells: pd.DataFrame,
    label: str,
    colour: str,
    marker: str,
    dash: str,
    row: int = 0,
) -> None:
    """Means by checkpoint with a band; a gap and `n/a` where a checkpoint has no cell.

    No line where there is no cell at all: the study doesn't ask for any.
    """
    if cells.empty:
        return
    rows = _over_seeds(cells).reindex(list(axis.steps))
    values = rows["score"].to_numpy(dtype=float)
    lows, highs = rows["ci_low"].to_numpy(dtype=float), rows["ci_high"].to_numpy(dtype=float)
    ax.plot(axis.places, values, dash, color=colour, marker=marker, label=label)
    ax.fill_between(axis.places, lows, highs, color=colour, alpha=0.16, linewidth=0)
    for place in np.asarray(axis.places)[np.isnan(values)]:
        mark_missing(ax, float(place), colour, row)


def _bars(
    ax: Axes,
    number: int,
    of: int,
    values: pd.Series,
    lows: pd.Series,
    highs: pd.Series,
    label: str,
    colour: str,
    counts: pd.Series | None = None,
) -> None:
    """One of `of` series of bars with whiskers; a missing value is `n/a`, not a bar."""
    width = 0.8 / of
    places = np.arange(len(values)) + (number - (of - 1) / 2) * width
    heights, low, high = (part.to_numpy(dtype=float) for part in (values, lows, highs))
    there = ~np.isnan(heights)
    ax.bar(places[there], heights[there], width * 0.94, label=label, color=colour)
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
    for place in places[~there]:
        mark_missing(ax, float(place))
    if counts is not None:
        for index in np.flatnonzero(there):
            _count_label(
                ax, places[index], heights[index], low[index], high[index], int(counts.iloc[index])
            )


def _count_label(
    ax: Axes, place: float, height: float, low: float, high: float, count: int
) -> None:
    up = height >= 0
    end = np.nanmax([height, high]) if up else np.nanmin([height, low])
    ax.annotate(
        str(count),
        (place, end),
        (0, 2 if up else -2),
        textcoords="offset points",
        ha="center",
        va="bottom" if up else "top",
        fontsize=6.5,
        color="#555555",
    )


def _heat(ax: Axes, table: pd.DataFrame) -> None:
    values: Floats = table.to_numpy(dtype=float)
    reach = float(np.nanmax(np.abs(values))) or 1.0
    ax.imshow(
        np.ma.masked_invalid(values),
        cmap="PuOr_r",
        aspect="auto",
        norm=TwoSlopeNorm(0.0, -reach, reach),
    )
    ax.grid(False)
    for row, column in np.argwhere(np.isnan(values)):
        ax.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                1,
                1,
                fill=False,
                hatch="////",
                linewidth=0,
                edgecolor="#9A9A9A",
            )
        )
    for row, column in np.argwhere(~np.isnan(values)):
        dark = abs(values[row, column]) > 0.6 * reach
        ax.text(
            column,
            row,
            signed(values[row, column], 2),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "#222222",
        )
    ax.set_xticks(
        range(table.shape[1]), table.columns, rotation=35, ha="right", rotation_mode="anchor"
    )
    ax.set_yticks(range(table.shape[0]), table.index)


def _metric(cells: pd.DataFrame) -> str:
    name = str(cells["metric"].iloc[0])
    return {"rouge_l": "ROUGE-L"}.get(name, name)


def _over_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """Mean score and interval ends by step; NaN at a step that lacks one of the seeds."""
    steps = cells.groupby("step")
    seeds = steps.size()
    means = steps[["score", "ci_low", "ci_high"]].mean()
    return means.where(seeds == seeds.max(), axis=0)


def _in_several_formats(tuned: pd.DataFrame) -> pd.DataFrame:
    """The first recipe's cells on sets evaluated in several formats, one per format."""
    recipes = sorted(tuned["recipe"].unique())
    first = tuned[tuned["recipe"].isin(recipes[:1])]
    kept = one_per(first, ["checkpoint", "seed", "eval_set", "format"])
    formats = kept.groupby("eval_set")["format"].transform("nunique")
    return kept[formats > 1]


def _ordered_sets(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """Evaluation sets with their role: own domain first, then other domains, tasks, benchmarks."""
    found = sorted(set(zip(cells["eval_set"], cells["role"], strict=True)))
    return sorted(found, key=lambda pair: list(ROLES).index(pair[1]))


def _train_order(cells: pd.DataFrame) -> Sequence[str]:
    """Train sets in the order of their own tasks' columns, those without one last."""
    own = cells[cells["role"].isin(["id", "ood"])].groupby("train_set")["task"].first()
    names = sorted(cells["train_set"].unique())
    return sorted(names, key=lambda name: (name not in own.index, own.get(name, ""), name))


def _items(cells: pd.DataFrame) -> str:
    low, high = cells["n"].min(), cells["n"].max()
    if pd.isna(low):
        return "n unknown"
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def _seeds(cells: pd.DataFrame) -> str:
    count = cells["seed"].nunique()
    return "1 seed" if count == 1 else f"mean of {count} seeds"
