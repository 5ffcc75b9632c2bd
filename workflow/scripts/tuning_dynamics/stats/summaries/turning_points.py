"""Where scores stop rising, in tokens.

Where improvement with pre-training stops: for `base`, and for each recipe, train set and evaluation
set. Evaluation set `all` is the mean curve over the sets that are evaluated at every checkpoint:
for `base` all sets, for a recipe those in `group_roles`. If there is none, its shape is `too_few`.

A broken stick is fitted by least squares to the scores over log10 tokens: a straight rise, then
flat. The curve is `flat` if the stick is no better than a constant (falls are not improvement),
`still_rising` if it is no better than a straight line, else it `turns`; both tests are by
simulation, at 1 - `level`, with at least 5 checkpoints. Noise is that of the scores' intervals, or
of the residuals if that is larger or intervals are unknown; in a mean curve, errors of one set's
cells, which share items, add up, those of different sets are independent. The interval is that of
the breaks found in resampled noise on the fitted stick; its ends move out to the next checkpoints,
since no estimate is finer than the hole that it falls in.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.constants import LEAST_FOR_A_TURN
from tuning_dynamics.stats.cell_bootstrap import Drawing, error_of_mean, errors_of
from tuning_dynamics.stats.groups import OWN_TASK
from tuning_dynamics.stats.primary_cells import curve_cells
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.tokens import placed
from tuning_dynamics.tables.columns import POOLED, Columns
from tuning_dynamics.tables.tables import from_rows


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    recipe: str
    """as in `scores.csv`"""
    train_set: str
    """as in `scores.csv`; empty for `base` and for `all`"""
    eval_set: str
    """evaluation set, or `all`"""
    metric: str
    """as in `scores.csv`; empty for `all`"""
    checkpoints: int
    """checkpoints on the curve"""
    shape: str
    """`turns`, `still_rising`, `flat` or `too_few`"""
    tokens: float
    """tokens at the turning point; empty unless `turns`"""
    low: float
    """low end of its interval, in tokens; for `still_rising` the score rises at least up to
    this"""
    high: float
    """high end; empty unless `turns`"""
    gap_low: float
    """tokens of the last checkpoint before the turning point"""
    gap_high: float
    """tokens of the first one after it: the place between these two rests on the curve's shape
    alone"""
    reason: str
    """why there is no turning point"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return turning_rows(tables["seed_means"], drawing=asked.drawing, roles=asked.roles)


TURNS, STILL_RISING, FLAT, TOO_FEW = "turns", "still_rising", "flat", "too_few"

# Candidate breaks within each gap between two checkpoints.
_PER_HOLE = 8

_SERIES = ["family", "recipe", "train_set", "eval_set"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Turn:
    """The shape of a curve; the turning point and its interval as log10 tokens, NaN if there is
    none. `low` is also given if the score still rises: it does not stop before that."""

    shape: str
    place: float
    low: float
    high: float
    reason: str


def turning_rows(
    seed_means: pd.DataFrame, *, drawing: Drawing, roles: tuple[str, ...] = OWN_TASK
) -> pd.DataFrame:
    """turning_points.csv: for base and for every tuned pair of sets, by primary cells.

    Evaluation set `all` is the mean over sets that are evaluated at every checkpoint: all sets
    for base; for a recipe, those in `roles`, whatever the train set. If there is no such set, its
    shape is TOO_FEW, with no checkpoints.
    """
    cells = curve_cells(seed_means)
    points = placed(cells, seed_means).assign(error=_errors(cells, drawing.level))
    rows = [_row(own, drawing, own["metric"].iloc[0]) for _, own in points.groupby(_SERIES)]
    counted = points[(points["recipe"] == "base") | points["role"].isin(list(roles))]
    for (family, recipe), own in counted.groupby(["family", "recipe"]):
        key = {"family": family, "recipe": recipe, "train_set": "", "eval_set": POOLED}
        curve = _mean_curve(own)
        rows.append(_NO_CURVE | key if curve.empty else _row(curve.assign(**key), drawing, ""))
    return from_rows(rows, "turning_points")


def _errors(cells: pd.DataFrame, level: float) -> Floats:
    """Standard errors; at least that of half an item, since a score of 0 or 1 is not certain."""
    errors = errors_of(cells["ci_low"], cells["ci_high"], level)
    least = 0.5 / cells["n"].astype("float64").to_numpy()
    return np.fmax(errors, np.where(np.isnan(errors), np.nan, least))


# The columns of a mean curve over no set, except its key.
_NO_CURVE: dict[str, object] = {
    **{"metric": "", "checkpoints": 0, "shape": TOO_FEW},
    **dict.fromkeys(("tokens", "low", "high", "gap_low", "gap_high"), np.nan),
    "reason": "no set is evaluated at every checkpoint",
}


def _mean_curve(points: pd.DataFrame) -> pd.DataFrame:
    """The mean curve over sets that have every checkpoint; empty if none has."""
    checkpoints = points["checkpoint"].nunique()
    sets = points.groupby(["train_set", "eval_set"])
    whole = points[sets["checkpoint"].transform("nunique") == checkpoints]
    # All points of a checkpoint share x and tokens.
    by_point = whole.groupby(["checkpoint", "x", "tokens"])
    rows = [
        {"x": x, "tokens": tokens, "score": own["score"].mean(), "error": error_of_mean(own)}
        for (_, x, tokens), own in by_point
    ]
    return pd.DataFrame(rows, columns=["x", "tokens", "score", "error"])


def _row(points: pd.DataFrame, drawing: Drawing, metric: str) -> dict[str, object]:
    curve = points.sort_values("x")
    x, y, errors = (curve[name].to_numpy(dtype=float) for name in ("x", "score", "error"))
    tokens = curve["tokens"].to_numpy(dtype=float)
    turn = turning_point(x, y, errors, drawing)
    return {
        **{name: curve[name].iloc[0] for name in _SERIES},
        "metric": metric,
        "checkpoints": len(curve),
        "shape": turn.shape,
        "tokens": 10**turn.place,
        # No estimate is finer than the gaps between checkpoints, so the ends are checkpoints.
        "low": _checkpoint(x, tokens, turn.low, 0),
        "high": _checkpoint(x, tokens, turn.high, 1),
        "gap_low": _checkpoint(x, tokens, turn.place, 0),
        "gap_high": _checkpoint(x, tokens, turn.place, 1),
        "reason": turn.reason,
    }


def _checkpoint(x: Floats, tokens: Floats, place: float, side: int) -> float:
    """Tokens of the checkpoint left (0) or right (1) of a place; NaN if there is no place."""
    if np.isnan(place):
        return float("nan")
    right = int(np.clip(np.searchsorted(x, place, side="left"), 1, len(x) - 1))
    return float(tokens[right - 1 + side])


def turning_point(x: Floats, y: Floats, errors: Floats, drawing: Drawing) -> Turn:
    """The shape of the curve of scores `y` at log10 tokens `x` (ascending).

    `errors` are the scores' standard errors; if one is unknown, or scores scatter more than that,
    noise is estimated from the residuals. Tests are at 1 - level. The interval is that of the
    breaks in a bootstrap from the fitted stick.
    """
    points = len(np.unique(x))
    # A stick has 3 parameters; the remaining degrees of freedom distinguish it from noise.
    if points < LEAST_FOR_A_TURN:
        reason = f"{points} checkpoints where {LEAST_FOR_A_TURN} are needed"
        return Turn(TOO_FEW, np.nan, np.nan, np.nan, reason)
    sticks = _Sticks.over(x)
    least = 0.0 if np.isnan(errors).any() else float((errors**2).mean())
    fit = sticks.fit(y[None, :], least)
    variance = float(fit.variance[0])
    shape = np.ones(len(x)) if least == 0 else errors / np.sqrt(least)
    generator = np.random.default_rng(drawing.seed)
    noise = generator.standard_normal((drawing.resamples, len(x))) * shape * np.sqrt(variance)
    alpha = 1 - drawing.level
    p_rise = _p_value(fit.rise, sticks.fit(noise, least).rise)
    if p_rise >= alpha:
        return Turn(FLAT, np.nan, np.nan, np.nan, f"no rise beyond noise (p = {p_rise:.2g})")
    line = sticks.curve(y, len(sticks.breaks) - 1)
    p_bend = _p_value(fit.bend, sticks.fit(line + noise, least).bend)
    drawn = sticks.fit(sticks.curve(y, int(fit.best[0])) + noise, least)
    found = sticks.breaks[drawn.best[drawn.rise > 0]]
    low, high = (float(end) for end in np.quantile(found, [alpha / 2, 1 - alpha / 2]))
    if p_bend >= alpha:
        reason = f"a straight rise fits as well (p = {p_bend:.2g})"
        return Turn(STILL_RISING, np.nan, low, np.nan, reason)
    return Turn(TURNS, float(sticks.breaks[fit.best[0]]), low, high, "")


@dataclass(frozen=True)
class _Fit:
    """For each of r curves: the break that fits best, its residual variance, and its improvement
    over a constant (`rise`) and over a straight line (`bend`), in units of that variance."""

    best: NDArray[np.int64]
    variance: Floats
    rise: Floats
    bend: Floats


@dataclass(frozen=True)
class _Sticks:
    """Sticks over some places: candidate breaks, and each one's shape, centred, of length 1."""

    breaks: Floats
    basis: Floats

    @staticmethod
    def over(x: Floats) -> "_Sticks":
        """Breaks from the second place to the last, where the stick is a line. All breaks within
        the first gap are equivalent: only the slope differs."""
        places = np.unique(x)[1:]  # two labels may share a number of tokens
        holes = [np.linspace(start, end, _PER_HOLE + 1)[1:] for start, end in pairwise(places)]
        breaks = np.concatenate([places[:1], *holes])
        shapes = np.minimum(x[:, None], breaks)
        centred = shapes - shapes.mean(axis=0)
        return _Sticks(breaks, centred / np.linalg.norm(centred, axis=0))

    def fit(self, curves: Floats, least: float) -> _Fit:
        """Fit curves, (r, checkpoints), by least squares; variances are at least `least`."""
        centred = curves - curves.mean(axis=1, keepdims=True)
        # Only rises count: a fall that stops is not an improvement.
        gains = np.maximum(centred @ self.basis, 0.0) ** 2
        best = gains.argmax(axis=1)
        top = gains[np.arange(len(gains)), best]
        left = np.maximum((centred**2).sum(axis=1) - top, 0.0)
        freedom = curves.shape[1] - 3
        # Far below the rounding of scores; without it a perfect fit would divide by zero.
        variance = np.maximum(np.maximum(left / freedom, least), 1e-18)
        return _Fit(best, variance, top / variance, (top - gains[:, -1]) / variance)

    def curve(self, y: Floats, index: int) -> Floats:
        """The fitted curve of `y` with one of the breaks."""
        shape = self.basis[:, index]
        return np.asarray(y.mean() + shape * max(float((y - y.mean()) @ shape), 0.0))


def _p_value(observed: Floats, simulated: Floats) -> float:
    return float((1 + (simulated >= observed[0]).sum()) / (len(simulated) + 1))
