"""Figures of scores: base models, tuned models against them, formats, other tasks' sets."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from tuning_dynamics.report.figures.axes import Look, joined, nothing_to_draw, panels
from tuning_dynamics.report.figures.series import (
    BASE_LOOK,
    Panel,
    Series,
    looks,
    series_figure,
)
from tuning_dynamics.report.figures.style import GROUP_COLOURS, GROUP_WORDS, style
from tuning_dynamics.report.figures.view import (
    ROLES,
    View,
    bands_words,
    metric_words,
    scored,
    shots_words,
)
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT, curve_cells


def base_by_checkpoint(view: View) -> Figure:
    """Scores of the base models by checkpoint, a panel per set, ordered by group."""
    groups = view.tables["groups"].set_index("eval_set")
    order = sorted(
        view.base["eval_set"].unique(),
        key=lambda name: (list(GROUP_COLOURS).index(str(groups["group"][name])), name),
    )
    shown = []
    for eval_set in order:
        rows = view.base[view.base["eval_set"] == eval_set]
        group, shape = (str(groups[name][eval_set]) for name in ("group", "shape"))
        look = Look(GROUP_WORDS[group], GROUP_COLOURS[group])
        words = f"{GROUP_WORDS[group]}: {shape.replace('_', ' ')}"
        shown.append(_panel(view, eval_set, words, rows, [Series(look, rows)]))
    return _figure(
        view,
        shown,
        f"{view.family}, not tuned: what pre-training alone teaches",
        bands_words(view, view.base),
        "no set was evaluated with the base model",
    )


def in_domain(view: View) -> Figure:
    """The main recipe against base on sets of the task and domain tuned on."""
    return _against_base(view, "id", "no set of the domain tuned on was evaluated")


def ood(view: View) -> Figure:
    """The main recipe against base on sets of the task tuned on from other domains."""
    return _against_base(view, "ood", "no out-of-domain set was evaluated")


def _against_base(view: View, role: str, otherwise: str) -> Figure:
    tuned = view.main(role)
    pairs = sorted(set(zip(tuned["train_set"], tuned["eval_set"], strict=True)))
    look = looks([view.recipe])[view.recipe]
    shown = []
    for train_set, eval_set in pairs:
        mine = tuned[(tuned["train_set"] == train_set) & (tuned["eval_set"] == eval_set)]
        series = [_base(view, eval_set), Series(look, mine)]
        shown.append(_panel(view, eval_set, f"tuned on {train_set}", mine, series))
    return _figure(
        view,
        shown,
        f"{view.family}, {ROLES[role]}: tuned ({view.recipe}) against base",
        _words(view, tuned),
        otherwise,
    )


def score_by_checkpoint(view: View) -> Figure:
    """Scores of the models tuned on a set by checkpoint, a line per recipe, with base."""
    tuned = view.primary[view.primary["train_set"] == view.train_set]
    tuned = tuned[tuned["recipe"] != "base"]
    styles = looks(sorted(tuned["recipe"].unique()))
    return _by_set(view, tuned, "recipe", styles, "score by checkpoint, by recipe")


def score_by_format(view: View) -> Figure:
    """Scores of the models tuned on a set in each prompt format, with base in `default`.

    For the main recipe, or the first by name if that did not tune on the set; sets evaluated in
    several formats.
    """
    means = view.tables["seed_means"]
    tuned = means[(means["train_set"] == view.train_set) & (means["recipe"] != "base")]
    curves = [
        curve_cells(rows.assign(format=DEFAULT_FORMAT)).assign(format=name)
        for name, rows in tuned.groupby("format")
    ]
    kept = pd.concat(curves) if curves else tuned
    several = kept.groupby(["recipe", "eval_set"])["format"].transform("nunique") > 1
    recipes = sorted(kept["recipe"][several].unique(), key=lambda name: (name != view.recipe, name))
    chosen = scored(kept[several & kept["recipe"].isin(recipes[:1])])
    names = sorted(chosen["format"].unique(), key=lambda name: (name != DEFAULT_FORMAT, name))
    which = "".join(f" ({name})" for name in recipes[:1])
    return _by_set(view, chosen, "format", looks(names), f"score by prompt format{which}")


def _by_set(view: View, tuned: pd.DataFrame, by: str, styles: dict[str, Look], what: str) -> Figure:
    """A panel per evaluation set, a line per value of column `by`, with base."""
    shown = []
    for eval_set, role in _ordered_sets(tuned):
        cells = tuned[tuned["eval_set"] == eval_set]
        lines = [Series(look, cells[cells[by] == name]) for name, look in styles.items()]
        series = [_base(view, eval_set), *(line for line in lines if len(line.rows))]
        shown.append(_panel(view, eval_set, ROLES[role], cells, series))
    return _figure(
        view,
        shown,
        f"{view.family} tuned on {view.train_set}: {what}",
        _words(view, tuned),
        f"models tuned on {view.train_set} were evaluated on no set in this view",
    )


def cross(view: View, kind: str) -> Figure:
    """Scores on sets of a kind of the models tuned on other tasks by the main recipe, with base."""
    cells = view.main("cross")
    tuned = cells[cells["kind"] == kind]
    styles = looks(sorted(tuned["train_set"].unique()))
    shown = []
    for eval_set in sorted(tuned["eval_set"].unique()):
        mine = tuned[tuned["eval_set"] == eval_set]
        lines = [Series(look, mine[mine["train_set"] == name]) for name, look in styles.items()]
        series = [_base(view, eval_set), *(line for line in lines if len(line.rows))]
        shown.append(_panel(view, eval_set, str(mine["task"].iloc[0]), mine, series))
    return _figure(
        view,
        shown,
        f"{view.family}, tuned ({view.recipe}) on other tasks: {kind.replace('_', ' ')} sets",
        _words(view, tuned),
        f"no {kind.replace('_', ' ')} set was evaluated with models tuned on another task",
    )


def _words(view: View, tuned: pd.DataFrame) -> str:
    """What bands are, and the shots of base and tuned models; empty if nothing is drawn."""
    if tuned.empty:
        return ""
    base = view.base[view.base["eval_set"].isin(tuned["eval_set"])]
    return joined(bands_words(view, tuned), shots_words(base, tuned))


def _base(view: View, eval_set: str) -> Series:
    return Series(BASE_LOOK, view.base[view.base["eval_set"] == eval_set])


def _panel(
    view: View, eval_set: str, words: str, rows: pd.DataFrame, series: Sequence[Series]
) -> Panel:
    """A panel of scores on a set, with its metric, and chance and majority if known."""
    metric = metric_words(rows)
    return Panel(eval_set, f"{words}, {metric}", series, metric, *baselines(view, eval_set, metric))


def baselines(view: View, eval_set: str, metric: str) -> tuple[float | None, float | None]:
    """Chance and majority of a set, where they are known and the metric is accuracy."""
    if metric != "accuracy":
        return None, None
    return view.chance.get(eval_set), view.majority.get(eval_set)


def _figure(view: View, shown: Sequence[Panel], title: str, note: str, otherwise: str) -> Figure:
    with style():
        if not shown:
            return empty(title, otherwise)
        return series_figure(view.axis, shown, title, note).figure


def empty(title: str, reason: str) -> Figure:
    """A figure that says why it is empty."""
    with style():
        frame = panels(1, 1, title, "", size=(5.4, 0.6))
        nothing_to_draw(frame.axes[0], reason)
        return frame.figure


def _ordered_sets(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """Evaluation sets with their role: own domain first, then other domains, tasks, benchmarks."""
    found = sorted(set(zip(cells["eval_set"], cells["role"], strict=True)))
    return sorted(found, key=lambda pair: list(ROLES).index(pair[1]))
