"""Where scores stop rising, in tokens.

What the curves of scores over pre-training show: for `base`, and for each recipe, train set and
evaluation set. Evaluation set `all` is the mean curve over the sets of one metric, the one that
most sets have, that are evaluated at every checkpoint: for `base` all sets, for a recipe those in
`group_roles`. If there is none, its shape is `too_few`.

Where the options' scores are recorded, the accuracy of a set with 5 checkpoints is judged by its
score or by the probability of the right option (`measure`), for all recipes alike: by the
probability if by it the base model stands at least 1.25 times as far above chance as by the score,
on average over the checkpoints, in units of noise (the error over items, or the scatter between
checkpoints if that is larger). Average and scatter say nothing of the slope, so the choice favours
no shape. A mean curve is one of scores.

The shape needs at least 5 checkpoints. A curve that is shown to rise is `still_rising` where the
slope over the last tenfold tokens (at least 3 checkpoints) is above 0; `stops` where an upper bound
of the slope at the end is below `margin` (a slope per tenfold tokens that counts as none); `falls`
where the slope is below 0; and else `end_open`: the checkpoints can't tell. A curve that is not
shown to rise is `flat` where its slope over all checkpoints lies within the margin, with its
interval, else `not_shown`.

Noise is that of the scores' intervals, or of the residuals if that is larger or intervals are
unknown; in a mean curve, errors of one set's cells, which share items, add up, those of different
sets are independent. Where a curve stops or falls, the place is that of the best stick: a straight
rise, then the slope of the end. Its interval is that of the breaks found in resampled noise on the
stick; its ends move out to the next checkpoints, since no estimate is finer than the hole that it
falls in. `fit_p` tests the stick's residuals against the scores' errors: where it is below .01, no
place is given.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from tuning_dynamics.common.constants import LEAST_FOR_A_TURN
from tuning_dynamics.common.formatting import interval_text, plural, signed
from tuning_dynamics.stats.cell_errors import error_of_mean, errors_of
from tuning_dynamics.stats.curve_measure import (
    PROBABILITY,
    SCORE,
    Values,
    judged_by,
    margin_of_probability,
)
from tuning_dynamics.stats.curve_shape import (
    END_OPEN,
    FALLS,
    FLAT,
    NOT_SHOWN,
    STILL_RISING,
    STOPS,
    TOO_FEW,
    CurveShape,
    curve_shape,
    rises_plainly,
)
from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.primary_cells import curve_cells
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.tokens import placed
from tuning_dynamics.stats.transfer import chance_of
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
    """as in `scores.csv`"""
    measure: str
    """what the curve is judged by: `score`, or `probability` of the right option, as in
    `seed_means.csv`; all that follows is of this"""
    checkpoints: int
    """checkpoints on the curve"""
    margin: float
    """slope per tenfold tokens that counts as none: `statistics.flat_margin`, of a probability the
    slope that is as small in standard errors"""
    shape: str
    """`too_few`, `not_shown`, `flat`, `still_rising`, `stops`, `falls` or `end_open`"""
    rise_p: float
    """p-value of a rise of any form"""
    slope: float
    """least-squares slope over all checkpoints: `measure` per tenfold tokens"""
    slope_low: float
    """low end of its interval"""
    slope_high: float
    """high end"""
    late_slope: float
    """the same over the last tenfold tokens, at least 3 checkpoints"""
    late_low: float
    """low end of its interval"""
    late_high: float
    """high end"""
    slower: str
    """`yes` if the late slope is below that of the checkpoints before, beyond noise"""
    tokens: float
    """tokens at the turning point; empty unless the shape is `stops` or `falls`"""
    low: float
    """low end of its interval, in tokens"""
    high: float
    """high end"""
    gap_low: float
    """tokens of the last checkpoint before the turning point"""
    gap_high: float
    """tokens of the first one after it: the place between these two rests on the curve's shape
    alone"""
    fit_p: float
    """p-value of the stick's residuals against the scores' errors; empty if these are unknown, and
    without a turning point"""
    reason: str
    """why there is no turning point"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return turning_rows(tables["seed_means"], asked, chance_of(tables["datasets"]))


# Candidate breaks within each gap between two checkpoints.
_PER_HOLE = 8

_SERIES = ["family", "recipe", "train_set", "eval_set"]

_SET = ["family", "eval_set"]

# Below this a stick's residuals are not noise, and its break is no place on the curve.
_MISFIT = 0.01

Floats = NDArray[np.float64]


def turning_rows(
    seed_means: pd.DataFrame, asked: SummarySettings, chance: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """turning_points.csv: for base and for every tuned pair of sets, by primary cells.

    `chance` is the accuracy of guessing on each set that has one; without it all curves are judged
    by their scores.

    Evaluation set `all` is the mean over sets of the commonest metric that are evaluated at every
    checkpoint: all sets for base; for a recipe, those in `asked.roles`, whatever the train set. If
    there is no such set, its shape is TOO_FEW, with no checkpoints.
    """
    cells = curve_cells(seed_means)
    level = asked.drawing.level
    points = placed(cells, seed_means).assign(
        error=_errors(cells, level),
        probability_error=errors_of(cells["probability_low"], cells["probability_high"], level),
    )
    measures = {
        key: _measure(own, (chance or {}).get(str(own["eval_set"].iloc[0])))
        for key, own in points.groupby(_SET)
    }
    rows = [
        _row(own, asked, own["metric"].iloc[0], measures[key[0], key[3]])
        for key, own in points.groupby(_SERIES)
    ]
    counted = points[(points["recipe"] == "base") | points["role"].isin(list(asked.roles))]
    for (family, recipe), own in counted.groupby(["family", "recipe"]):
        metric = _commonest_metric(own)
        key = {"family": family, "recipe": recipe, "train_set": "", "eval_set": POOLED}
        curve = _mean_curve(own[own["metric"] == metric])
        if curve.empty:
            rows.append(_NO_CURVE | key | {"metric": metric, "margin": asked.margin})
        else:
            rows.append(_row(curve.assign(**key), asked, metric, SCORE))
    return from_rows(rows, "turning_points")


def _errors(cells: pd.DataFrame, level: float) -> Floats:
    """Standard errors; at least that of half an item, since a score of 0 or 1 is not certain."""
    errors = errors_of(cells["ci_low"], cells["ci_high"], level)
    least = 0.5 / cells["n"].astype("float64").to_numpy()
    return np.fmax(errors, np.where(np.isnan(errors), np.nan, least))


def _measure(points: pd.DataFrame, chance: float | None) -> str:
    """What the curves of one set are judged by, of all recipes: `points` are theirs."""
    known = ["score", "error", "probability", "probability_error"]
    base = points[points["recipe"] == "base"].sort_values("x")
    if chance is None or (points["metric"] != "accuracy").any():
        return SCORE
    if base["x"].nunique() < LEAST_FOR_A_TURN or points[known].isna().any(axis=None):
        return SCORE
    x = base["x"].to_numpy(dtype=float)
    return judged_by(x, _scores(base), _probabilities(base), chance)


def _scores(curve: pd.DataFrame) -> Values:
    return Values(curve["score"].to_numpy(dtype=float), curve["error"].to_numpy(dtype=float))


def _probabilities(curve: pd.DataFrame) -> Values:
    names = ("probability", "probability_error")
    return Values(*(curve[name].to_numpy(dtype=float) for name in names))


_SLOPE = ("slope", "slope_low", "slope_high")
_LATE = ("late_slope", "late_low", "late_high")
_TOKENS = ("tokens", "low", "high", "gap_low", "gap_high")

# The columns of a mean curve over no set, except its key; others are empty.
_NO_CURVE: dict[str, object] = {
    **{"measure": SCORE, "checkpoints": 0, "shape": TOO_FEW, "slower": ""},
    **dict.fromkeys((*_SLOPE, *_LATE, *_TOKENS, "rise_p", "fit_p"), np.nan),
    "reason": "no set is evaluated at every checkpoint",
}


def _commonest_metric(points: pd.DataFrame) -> str:
    """The metric of most evaluation sets, the first by name of several: scores by different metrics
    have no mean."""
    sets = points.groupby("metric")["eval_set"].nunique()
    return str(sets.idxmax())


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


def _row(
    points: pd.DataFrame, asked: SummarySettings, metric: str, measure: str
) -> dict[str, object]:
    curve = points.sort_values("x")
    x, scores, drawing = curve["x"].to_numpy(dtype=float), _scores(curve), asked.drawing
    values, margin = scores, asked.margin
    if measure == PROBABILITY:
        values = _probabilities(curve)
        margin = margin_of_probability(margin, scores, values)
    found = curve_shape(
        x,
        values.means,
        values.errors,
        drawing,
        alpha=asked.alpha,
        margin=margin,
        # A large rise of the score is one, whatever another measure shows.
        known_to_rise=rises_plainly(scores.means, scores.errors, drawing.level),
    )
    turn = NO_TURN
    if found.shape in (STOPS, FALLS):
        turn = turning_point(x, values.means, values.errors, found.late.value, drawing)
    return {
        **{name: curve[name].iloc[0] for name in _SERIES},
        "metric": metric,
        "measure": measure,
        "margin": margin,
        "checkpoints": len(curve),
        "shape": found.shape,
        "rise_p": found.rise_p,
        **dict(zip(_SLOPE, astuple(found.overall), strict=True)),
        **dict(zip(_LATE, astuple(found.late), strict=True)),
        "slower": "yes" if found.slower else "",
        **_places(x, curve["tokens"].to_numpy(dtype=float), turn),
        "fit_p": turn.fit_p,
        "reason": _reason(found, turn, len(np.unique(x)), margin, drawing.level),
    }


def _places(x: Floats, tokens: Floats, turn: "Turn") -> dict[str, object]:
    """The turning point in tokens. No estimate is finer than the gaps between checkpoints, so the
    ends of its interval are checkpoints. All are empty where the stick does not fit."""
    place, low, high = (turn.place, turn.low, turn.high) if turn.fits else (np.nan,) * 3
    ends = ((place, None), (low, 0), (high, 1), (place, 0), (place, 1))
    return {
        name: 10**at if side is None else _checkpoint(x, tokens, at, side)
        for name, (at, side) in zip(_TOKENS, ends, strict=True)
    }


def _checkpoint(x: Floats, tokens: Floats, place: float, side: int) -> float:
    """Tokens of the checkpoint left (0) or right (1) of a place; NaN if there is no place."""
    if np.isnan(place):
        return float("nan")
    right = int(np.clip(np.searchsorted(x, place, side="left"), 1, len(x) - 1))
    return float(tokens[right - 1 + side])


def _reason(found: CurveShape, turn: "Turn", points: int, margin: float, level: float) -> str:
    """Why there is no turning point; empty if there is one."""
    overall, late = (
        f"{signed(part.value)} per tenfold tokens, {interval_text(part.low, part.high, level)}"
        for part in (found.overall, found.late)
    )
    reasons = {
        TOO_FEW: f"{plural(points, 'checkpoint')} where {LEAST_FOR_A_TURN} are needed",
        NOT_SHOWN: f"no rise beyond noise (p = {found.rise_p:.2g})",
        FLAT: f"flat within {margin:.3g}: {overall}",
        STILL_RISING: f"it rises over the last tenfold tokens: {late}",
        END_OPEN: f"the checkpoints can't tell whether it rises at its end: {late}",
    }
    if found.shape in reasons:
        return reasons[found.shape]
    return "" if turn.fits else f"no straight rise to one place fits (p = {turn.fit_p:.2g})"


@dataclass(frozen=True)
class Turn:
    """The end of a rise and its interval as log10 tokens, and how well the stick fits."""

    place: float
    low: float
    high: float
    fit_p: float

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against the stick."""
        return not self.fit_p < _MISFIT


NO_TURN = Turn(np.nan, np.nan, np.nan, np.nan)


def turning_point(x: Floats, y: Floats, errors: Floats, late: float, drawing: Drawing) -> Turn:
    """Where the straight rise of a curve ends that goes on with slope `late`.

    `y` are scores at log10 tokens `x` (ascending), at least 5 places, `errors` their standard
    errors; noise is as for the curve's shape. The interval is that of the breaks in a bootstrap
    from the fitted stick.
    """
    sticks = _Sticks.over(x, late)
    known = not np.isnan(errors).any()
    least = float((errors**2).mean()) if known else 0.0
    best, left = sticks.fit(y[None, :])
    freedom = max(len(x) - 4, 1)
    variance = max(float(left[0]) / freedom, least)
    scales = errors / np.sqrt(least) if least > 0 else np.ones(len(x))
    generator = np.random.default_rng(drawing.seed)
    noise = generator.standard_normal((drawing.resamples, len(x))) * scales * np.sqrt(variance)
    drawn, _ = sticks.fit(sticks.curve(y, int(best[0])) + noise)
    tail = (1 - drawing.level) / 2
    low, high = (float(end) for end in np.quantile(sticks.breaks[drawn], [tail, 1 - tail]))
    fit_p = float(chi2.sf(left[0] / least, freedom)) if least > 0 else np.nan
    return Turn(float(sticks.breaks[best[0]]), low, high, fit_p)


@dataclass(frozen=True)
class _Sticks:
    """Sticks over some places: candidate breaks (b,); each one's rise (points, b), centred, of
    length 1; and its part after the break with the given slope (points, b), centred."""

    breaks: Floats
    rises: Floats
    after: Floats

    @staticmethod
    def over(x: Floats, late: float) -> "_Sticks":
        """Breaks from the second place to the last. All breaks within the first gap are
        equivalent: only the slope differs."""
        places = np.unique(x)[1:]  # two labels may share a number of tokens
        holes = [np.linspace(start, end, _PER_HOLE + 1)[1:] for start, end in pairwise(places)]
        breaks = np.concatenate([places[:1], *holes])
        rises = _centred(np.minimum(x[:, None], breaks))
        after = _centred(late * np.maximum(x[:, None] - breaks, 0.0))
        return _Sticks(breaks, rises / np.linalg.norm(rises, axis=0), after)

    def fit(self, curves: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The best break of each curve, (r, points), and the sum of squares that it leaves."""
        centred = curves - curves.mean(axis=1, keepdims=True)
        along = centred @ self.rises - (self.after * self.rises).sum(axis=0)
        lengths = (self.after**2).sum(axis=0) - 2 * centred @ self.after
        total = (centred**2).sum(axis=1, keepdims=True) + lengths
        left = total - np.maximum(along, 0.0) ** 2
        best = left.argmin(axis=1)
        return best, np.maximum(left[np.arange(len(left)), best], 0.0)

    def curve(self, y: Floats, index: int) -> Floats:
        """The fitted curve of `y` with one of the breaks."""
        rise, after = self.rises[:, index], self.after[:, index]
        along = max(float((y - y.mean() - after) @ rise), 0.0)
        return np.asarray(y.mean() + rise * along + after)


def _centred(columns: Floats) -> Floats:
    return np.asarray(columns - columns.mean(axis=0))
