"""Figure of many recipes: the score on the task that they tune on against those on other tasks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning_dynamics.report.figures.axes import Look, checkpoint_words, panel_title, panels
from tuning_dynamics.report.figures.scores import empty
from tuning_dynamics.report.figures.series import BASE_LOOK
from tuning_dynamics.report.figures.style import COLOURS, MISSING_COLOUR, style
from tuning_dynamics.report.figures.view import OWN_ROLES, View, bands_words, metric_words

Floats = NDArray[np.float64]

_BEST = Look("no other recipe is better on both", COLOURS[0], "o", "")
_OTHER = Look("another recipe is", MISSING_COLOUR, ".", "")


def score_by_recipe(view: View) -> Figure:
    """A panel per set of another task, a point per recipe at the last checkpoint; across, the score
    on the first set of the task tuned on."""
    title = f"{view.family} tuned on {view.train_set}: own task against others, by recipe"
    tuned = view.primary[view.primary["train_set"] == view.train_set]
    tuned = tuned[tuned["checkpoint"] == _last(view, tuned)]
    own = tuned[tuned["role"].isin(OWN_ROLES)].sort_values(["role", "eval_set"])
    others = tuned[~tuned["role"].isin(OWN_ROLES)]
    if own.empty or others.empty:
        return empty(title, "no recipe was evaluated on its own task and on another")
    across = own[own["eval_set"] == own["eval_set"].iloc[0]].set_index("recipe")
    checkpoint = str(across["checkpoint"].iloc[0])
    shown = [
        (eval_set, metric_words(rows), _both(across, rows))
        for eval_set, rows in others.groupby("eval_set", sort=True)
    ]
    note = (
        f"Across: {across['eval_set'].iloc[0]}, {metric_words(across)}, at checkpoint "
        f"{checkpoint_words(checkpoint)}. Dashed: the untuned model, where it is known. "
        f"{bands_words(view, own)} {' '.join(_names(str(name), rows) for name, _, rows in shown)}"
    )
    size = (5.6 if len(shown) == 1 else 3.4, 3.6)
    with style():
        frame = panels(len(shown), 2, title, note, legend=[_BEST, _OTHER, BASE_LOOK], size=size)
        for ax, (eval_set, metric, rows) in zip(frame.axes, shown, strict=True):
            panel_title(ax, str(eval_set), metric)
            _points(ax, rows)
            _base(ax, view, checkpoint, (str(across["eval_set"].iloc[0]), str(eval_set)))
    return frame.figure


def _both(across: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Recipes with their score and interval across, and `up`, that on another set; `best` where no
    recipe beats one, in order of the score across."""
    up = other.set_index("recipe")["value"].rename("up")
    rows = across.join(up, how="inner").sort_values(["value", "up"])
    best = unbeaten(rows["value"].to_numpy(dtype=float), rows["up"].to_numpy(dtype=float))
    return rows.assign(best=best)


def _names(eval_set: str, rows: pd.DataFrame) -> str:
    """The unbeaten recipes by the numbers in their panel."""
    listed = [f"{number} {name}" for number, name in enumerate(rows.index[rows["best"]], start=1)]
    return f"{eval_set}: {', '.join(listed)}."


def _last(view: View, rows: pd.DataFrame) -> str:
    """The last checkpoint of some rows; "" without any."""
    found = set(rows["checkpoint"])
    return next((name for name in reversed(view.axis.checkpoints) if name in found), "")


def _points(ax: Axes, rows: pd.DataFrame) -> None:
    """Rows of `_both`; the best are numbered."""
    known = rows[rows["low"].notna() & rows["high"].notna()]
    ax.hlines(known["up"], known["low"], known["high"], color=MISSING_COLOUR, linewidth=0.6)
    best = rows[rows["best"]]
    for look, chosen in ((_OTHER, rows[~rows["best"]]), (_BEST, best)):
        ax.plot(chosen["value"], chosen["up"], look.marker, color=look.colour, markersize=5)
    for number, place in enumerate(zip(best["value"], best["up"], strict=True), start=1):
        ax.annotate(str(number), place, (3, 3), textcoords="offset points", fontsize=6.5)


def unbeaten(across: Floats, up: Floats) -> NDArray[np.bool_]:
    """Which points no other point exceeds in one and at least equals in the other."""
    no_less = (across[None, :] >= across[:, None]) & (up[None, :] >= up[:, None])
    more = (across[None, :] > across[:, None]) | (up[None, :] > up[:, None])
    return np.asarray(~(no_less & more).any(axis=1))


def _base(ax: Axes, view: View, checkpoint: str, sets: tuple[str, str]) -> None:
    """Lines at the untuned model's scores on the sets across and up, as far as they are known."""
    base = view.base[view.base["checkpoint"] == checkpoint].set_index("eval_set")["value"]
    for name, line in zip(sets, (ax.axvline, ax.axhline), strict=True):
        if name in base.index:
            line(float(base[name]), color=BASE_LOOK.colour, linestyle="--", linewidth=0.8)
