"""What a curve of scores over pre-training shows: a rise, how it ends, or neither.

One rule for groups, trends and turning points, so that they can't disagree. A curve is scores at
log10 tokens, with their standard errors. Three questions:

- Does it rise? The statistic is the best fit of a ramp (level, then a straight rise, then level)
  between any two checkpoints, relative to the noise: it sees a rise of any form, at any place. Its
  null distribution is simulated, and a rise is shown where its p-value is below `alpha`.
- How does it end? By the slope over the last tenfold tokens, and an upper bound of it from all
  stretches of up to REACH decades that end at the last checkpoint, simultaneous over them. The
  early checkpoints have no part in it.
- Is it flat? Its slope over all checkpoints, with its interval, lies within `margin` of 0, and
  nothing speaks for a rise: an equivalence test, not the absence of evidence (Schuirmann 1987).

Noise is that of the scores' errors, or of the residuals if that is larger or errors are unknown;
simulated curves have theirs estimated in the same way.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from tuning_dynamics.common.constants import LEAST_FOR_A_TURN
from tuning_dynamics.stats.drawing import Drawing

Floats = NDArray[np.float64]

#: How a curve's end is read: stretches of up to so many decades before the last checkpoint.
REACH = 1.5

#: A rise by this much with intervals that don't overlap is one, whatever lies in between.
LARGE_RISE = 0.2

# Places where a ramp may begin and end: more only take time.
_KNOTS = 16

# A straight line needs one more point than its parameters to show noise.
_LEAST_AT_END = 3

# Scores are shares: a difference of them is exact but for this.
_ROUNDING = 1e-9

# Far below the rounding of scores; without it a perfect fit would divide by zero.
_TINY = 1e-18

TOO_FEW = "too_few"
STILL_RISING, STOPS, FALLS, END_OPEN = "still_rising", "stops", "falls", "end_open"
FLAT, NOT_SHOWN = "flat", "not_shown"

#: Shapes of curves that rise.
RISES = (STILL_RISING, STOPS, FALLS, END_OPEN)


@dataclass(frozen=True)
class Slope:
    """Score per tenfold tokens, with its interval; NaN if unknown."""

    value: float
    low: float
    high: float


UNKNOWN = Slope(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class CurveShape:
    """What a curve shows.

    `shape`: `too_few` checkpoints; `not_shown` to rise; `flat`, within the margin; or it rises and
    is `still_rising` at its end, `stops` (rises by less than the margin there), `falls`, or
    `end_open`, where the checkpoints can't tell. `overall` is the slope of all checkpoints, `late`
    that of the last tenfold tokens, `rise_p` the p-value of a rise. `slower`: the late slope is
    below that of the checkpoints before, beyond noise.
    """

    shape: str
    rise_p: float
    overall: Slope
    late: Slope
    slower: bool

    @property
    def rises(self) -> bool:
        """Whether a rise is shown."""
        return self.shape in RISES


def curve_shape(
    x: Floats,
    y: Floats,
    errors: Floats,
    drawing: Drawing,
    *,
    alpha: float,
    margin: float,
    known_to_rise: bool = False,
) -> CurveShape:
    """The shape of a curve of scores `y` at log10 tokens `x` (ascending), each (checkpoints,).

    `errors` are the scores' standard errors; if one is unknown, noise is that of the residuals.
    A rise is shown at a p-value below `alpha`; `margin` is a slope, per tenfold tokens, that counts
    as none. `known_to_rise`: the curve rises, whatever these values show.
    """
    if len(np.unique(x)) < LEAST_FOR_A_TURN:
        return CurveShape(TOO_FEW, np.nan, UNKNOWN, UNKNOWN, slower=False)
    curve = _Weighted.of(x, y, errors)
    p_value, noise = _rise(curve, drawing)
    reach = _quantile(drawing.level, curve) * noise
    overall = _around(curve.slope(), reach)
    end = _end(curve, drawing)
    if known_to_rise or p_value < alpha or rises_plainly(y, errors, drawing.level):
        shape = _ending(end, margin)
    else:
        shape = FLAT if max(-overall.low, overall.high) < margin else NOT_SHOWN
    return CurveShape(shape, p_value, overall, end.late, _slower(curve, end, reach))


def rises_plainly(y: Floats, errors: Floats, level: float) -> bool:
    """Whether the last score exceeds the first by LARGE_RISE, and its interval the first one's;
    False if these are unknown."""
    half = norm.ppf((1 + level) / 2) * errors
    large = y[-1] - y[0] >= LARGE_RISE - _ROUNDING
    return bool(large and y[-1] - half[-1] > y[0] + half[0])


def _quantile(level: float, curve: "_Weighted") -> float:
    """How many errors an interval reaches: Student's t where noise is that of the residuals."""
    if curve.least:
        return float(norm.ppf((1 + level) / 2))
    return float(t.ppf((1 + level) / 2, _freedom(len(curve.x))))


def _ending(end: "_End", margin: float) -> str:
    if end.late.high < 0:
        return FALLS
    if end.upper < margin:
        return STOPS
    return STILL_RISING if end.late.low > 0 else END_OPEN


@dataclass(frozen=True)
class _Weighted:
    """A curve, its weights (one over squared errors, or 1 where they are unknown), and the least
    variance of a weighted score (1, or 0)."""

    x: Floats
    y: Floats
    weights: Floats
    least: float

    @staticmethod
    def of(x: Floats, y: Floats, errors: Floats) -> "_Weighted":
        known = not np.isnan(errors).any() and bool((errors > 0).all())
        return _Weighted(x, y, errors**-2.0 if known else np.ones(len(x)), float(known))

    def since(self, first: int) -> "_Weighted":
        """The curve from one of its points on."""
        return _Weighted(self.x[first:], self.y[first:], self.weights[first:], self.least)

    def until(self, end: int) -> "_Weighted":
        """The curve before one of its points."""
        return _Weighted(self.x[:end], self.y[:end], self.weights[:end], self.least)

    def scaled(self, rows: Floats) -> Floats:
        """Rows of values, (r, points), in units of their errors."""
        return rows * np.sqrt(self.weights)

    def slope(self) -> tuple[float, float]:
        """Least-squares slope, and its error for a variance of 1 of scaled scores."""
        centred = self.x - np.average(self.x, weights=self.weights)
        spread = float((self.weights * centred) @ centred)
        return float((self.weights * centred) @ self.y) / spread, spread**-0.5


def _around(slope: tuple[float, float], reach: float) -> Slope:
    value, error = slope
    return Slope(value, value - reach * error, value + reach * error)


# --- does it rise ---------------------------------------------------------------------------------


def _rise(curve: _Weighted, drawing: Drawing) -> tuple[float, float]:
    """The p-value of a rise, and the noise of scaled scores as a standard deviation."""
    ramps = _Ramps.over(curve)
    observed, variance = ramps.fit(curve.scaled(curve.y[None, :]), curve.least)
    generator = np.random.default_rng(drawing.seed)
    noise = generator.standard_normal((drawing.resamples, len(curve.x)))
    simulated, _ = ramps.fit(noise, curve.least)
    p_value = (1 + int((simulated >= observed[0]).sum())) / (drawing.resamples + 1)
    return p_value, float(variance[0]) ** 0.5


@dataclass(frozen=True)
class _Ramps:
    """Ramps between any two places of a curve, and for each a free slope after it; columns are
    scaled, centred, of length 1, the second orthogonal to the first (0 if there is nothing after).
    """

    level: Floats
    ramps: Floats
    after: Floats

    @staticmethod
    def over(curve: _Weighted) -> "_Ramps":
        places = np.unique(curve.x)
        if len(places) > _KNOTS:
            places = np.unique(np.quantile(places, np.linspace(0, 1, _KNOTS), method="nearest"))
        pairs = np.array(list(combinations(places, 2)))
        starts, ends = pairs[:, :1], pairs[:, 1:]
        level = _unit(curve.scaled(np.ones((1, len(curve.x)))))[0]
        ramps = np.clip((curve.x - starts) / (ends - starts), 0, 1)
        ramps = _unit(_without(curve.scaled(ramps), level[None, :]))
        after = _without(curve.scaled(np.maximum(curve.x - ends, 0)), level[None, :])
        return _Ramps(level, ramps.T, _unit(_without(after, ramps)).T)

    def fit(self, rows: Floats, least: float) -> tuple[Floats, Floats]:
        """Of scaled curves (r, points): the best rising ramp's gain over a constant in units of
        the variance, and that variance, (r,): of the residuals of the best ramp with a free slope
        after it, at least `least`."""
        centred = rows - np.outer(rows @ self.level, self.level)
        rise = np.maximum(centred @ self.ramps, 0.0) ** 2
        explained = (rise + np.where(rise > 0, (centred @ self.after) ** 2, 0.0)).max(axis=1)
        left = np.maximum((centred**2).sum(axis=1) - explained, 0.0)
        variance = np.maximum(np.maximum(left / _freedom(rows.shape[1]), least), _TINY)
        return rise.max(axis=1) / variance, variance


def _freedom(points: int) -> int:
    """Degrees of freedom of a ramp's residuals: a level, a rise, a place and a slope after it."""
    return max(points - 4, 1)


def _without(rows: Floats, units: Floats) -> Floats:
    """Each row less its part along the unit row of the same place, or along the only one."""
    return np.asarray(rows - (rows * units).sum(axis=1, keepdims=True) * units)


def _unit(rows: Floats) -> Floats:
    """Rows of length 1; rows of nothing but rounding become 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > 1e-9, rows / np.maximum(lengths, 1e-9), 0.0))


# --- how does it end ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _End:
    """The late slope with its interval, its first point, the error of its value, and the upper
    bound of the slope at the end."""

    late: Slope
    first: int
    error: float
    upper: float


def _end(curve: _Weighted, drawing: Drawing) -> _End:
    """How a curve ends, from the checkpoints within REACH of the last one, at least 3.

    The noise is that of their residuals from a line, at least that of their errors.
    """
    x = curve.x
    late = curve.since(_first_within(x, REACH))
    firsts = range(len(late.x) - _LEAST_AT_END + 1)
    slopes = np.array([late.since(first).slope() for first in firsts])
    weights = _unit(np.stack([_slope_weights(late, first) for first in firsts]))
    generator = np.random.default_rng([drawing.seed, 1])
    noise = generator.standard_normal((drawing.resamples, len(late.x)))
    line = _line(late)
    drawn = (noise @ weights.T) / np.sqrt(_residual_variance(noise, line, curve.least))[:, None]
    scaled = late.scaled(late.y[None, :])
    errors = slopes[:, 1] * float(_residual_variance(scaled, line, curve.least)[0]) ** 0.5
    tail = (1 - drawing.level) / 2
    last = _first_within(late.x, 1.0)
    reach = float(np.quantile(np.abs(drawn[:, last]), drawing.level)) * errors[last]
    value = float(slopes[last, 0])
    bound = slopes[:, 0] + float(np.quantile(drawn.max(axis=1), 1 - tail)) * errors
    return _End(
        late=Slope(value, value - reach, value + reach),
        first=len(x) - len(late.x) + last,
        error=float(errors[last]),
        upper=float(min(bound.min(), value + reach)),
    )


def _first_within(x: Floats, decades: float) -> int:
    """The first point within so many decades of the last one; at least 3 points are."""
    # Places are logarithms: what is a tenfold exactly may differ in the last digits.
    first = int(np.searchsorted(x, x[-1] - decades - 1e-9))
    return min(first, len(x) - _LEAST_AT_END)


def _slope_weights(curve: _Weighted, first: int) -> Floats:
    """Weights of scaled scores (points,) in the slope from one point on."""
    part = curve.since(first)
    centred = part.x - np.average(part.x, weights=part.weights)
    weights: Floats = np.zeros(len(curve.x))
    weights[first:] = centred * np.sqrt(part.weights)
    return weights


def _line(curve: _Weighted) -> Floats:
    """An orthonormal basis (points, 2) of straight lines, scaled."""
    lines = curve.scaled(np.stack([np.ones(len(curve.x)), curve.x]))
    return np.asarray(np.linalg.qr(lines.T)[0])


def _residual_variance(rows: Floats, line: Floats, least: float) -> Floats:
    """Variance of scaled curves (r, points) around their lines, at least `least`; (r,)."""
    residuals = rows - (rows @ line) @ line.T
    freedom = max(rows.shape[1] - 2, 1)
    return np.asarray(np.maximum(np.maximum((residuals**2).sum(axis=1) / freedom, least), _TINY))


def _slower(curve: _Weighted, end: _End, reach: float) -> bool:
    """Whether the slope before the late part exceeds the late one beyond noise."""
    before = curve.until(end.first + 1)
    if len(np.unique(before.x)) < 2:
        return False
    value, error = before.slope()
    return bool(value - end.late.value > np.hypot(reach * error, end.late.value - end.late.low))
