"""latent_gain.csv and format_trend.csv: how an effect of tuning varies with pre-training."""

from collections.abc import Callable, Collection
from functools import partial
from math import sqrt

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from tuning_dynamics.stats.crossed import Pairs, crossed_mean
from tuning_dynamics.stats.noise import Floor, marks, noise_floor, slope_floor
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT, curve_cells
from tuning_dynamics.stats.tokens import Floats, placed, slope
from tuning_dynamics.tables.columns import POOLED
from tuning_dynamics.tables.tables import from_rows

# A slope over fewer checkpoints has too few residuals.
MIN_CHECKPOINTS = 3

_VARIANT = ["family", "checkpoint", "recipe", "train_set", "eval_set"]


def latent_gain_rows(
    grouped: pd.DataFrame,
    seed_means: pd.DataFrame,
    noise: pd.DataFrame,
    *,
    level: float,
    recipe: str,
) -> pd.DataFrame:
    """latent_gain.csv: the change by tuning over pre-training, for each train and evaluation set.

    `grouped` are one recipe's changes (as of `groups.grouped_changes`), `seed_means` has all
    checkpoints. A pooled row per group has the mean slope of its pairs, with an interval over train
    sets and evaluation sets.
    """
    cells = curve_cells(grouped)
    points = placed(cells, seed_means).assign(value=cells["change"].to_numpy(dtype=float))
    rows: list[dict[str, object]] = []
    for (family, group), own in points.groupby(["family", "group"], sort=True):
        floor_of = partial(_floor, noise[noise["family"] == family], recipe, (DEFAULT_FORMAT,))
        for row in _rows(own, floor_of, recipe, level):
            rows.append({"family": family, "group": group, **_named(row, "change")})
    return from_rows(rows, "latent_gain")


def format_trend_rows(
    sensitivity: pd.DataFrame,
    scores: pd.DataFrame,
    noise: pd.DataFrame,
    *,
    level: float,
    recipe: str,
) -> pd.DataFrame:
    """format_trend.csv: the spread over formats beyond chance over pre-training, for each train and
    evaluation set, seeds averaged; and, pooled, the mean slope of the pairs with an interval over
    train sets and evaluation sets."""
    tuned = sensitivity[sensitivity["recipe"] == recipe]
    # Published scores have no items, so that what is due to chance is unknown.
    value = "beyond_chance" if tuned["beyond_chance"].notna().any() else "spread"
    seeds = tuned.groupby(_VARIANT, sort=True)
    cells = seeds.agg(value=(value, "mean"), step=("step", "first")).assign(error=np.nan)
    points = placed(cells.reset_index(), scores)
    rows: list[dict[str, object]] = []
    for family, own in points.groupby("family", sort=True):
        floor_of = partial(_floor, noise[noise["family"] == family], recipe, ())
        for row in _rows(own, floor_of, recipe, level):
            rows.append({"family": family, **_named(row, "spread")})
    return from_rows(rows, "format_trend")


def _floor(
    noise: pd.DataFrame, recipe: str, formats: Collection[str], eval_sets: set[str]
) -> Floor:
    return noise_floor(noise, recipe=recipe, eval_sets=eval_sets, formats=formats)


def _rows(
    points: pd.DataFrame, floor_of: Callable[[set[str]], Floor], recipe: str, level: float
) -> list[dict[str, object]]:
    """A row per (train set, evaluation set), and then the pooled one. `floor_of` gives the noise
    floor of evaluation sets."""
    rows = []
    for (train_set, eval_set), pair in points.groupby(["train_set", "eval_set"], sort=True):
        curve = pair.sort_values(["x", "checkpoint"])
        found = _slope(curve, level)
        rows.append(
            {
                "recipe": recipe,
                "train_set": train_set,
                "eval_set": eval_set,
                **_columns(curve, found, floor_of({str(eval_set)})),
            }
        )
    sloped = pd.DataFrame([row for row in rows if not np.isnan(row["slope"])], columns=[*rows[0]])
    pooled = crossed_mean(Pairs.of(sloped, "slope"), level)
    found = (pooled.value, pooled.low, pooled.high)
    mean_curve = _mean_curve(points)
    place = {"recipe": recipe, "train_set": "", "eval_set": POOLED}
    return [*rows, place | _columns(mean_curve, found, floor_of(set(points["eval_set"])))]


def _mean_curve(points: pd.DataFrame) -> pd.DataFrame:
    """Mean value per checkpoint of the pairs that have all of them; NaN if no pair has."""
    own = points.groupby(["train_set", "eval_set"])["checkpoint"].transform("nunique")
    whole = points["value"].where(own == points["checkpoint"].nunique())
    by_point = points.assign(value=whole).groupby(["x", "checkpoint"], as_index=False)
    return by_point["value"].mean()


def _columns(
    curve: pd.DataFrame,
    found: tuple[float, float, float],
    floor: Floor,
) -> dict[str, object]:
    return {
        "checkpoints": len(curve),
        "first": float(curve["value"].iloc[0]),
        "last": float(curve["value"].iloc[-1]),
        **dict(zip(("slope", "low", "high"), found, strict=True)),
        **marks(found[0], slope_floor(floor, curve["x"].to_numpy(dtype=float))),
    }


def _named(row: dict[str, object], what: str) -> dict[str, object]:
    """The row with its first and last value named after their quantity."""
    return {**row, f"first_{what}": row["first"], f"last_{what}": row["last"]}


def _slope(curve: pd.DataFrame, level: float) -> tuple[float, float, float]:
    """Slope of a pair's values on log10 tokens, and its interval; NaN below MIN_CHECKPOINTS, and
    if all are at one place.

    The interval comes from the points' own errors, taken as independent. If those are unknown, it
    is Student's t from the residuals, from 4 checkpoints on.
    """
    x, y, errors = (curve[name].to_numpy(dtype=float) for name in ("x", "value", "error"))
    value = slope(x, y)
    if len(x) < MIN_CHECKPOINTS or np.isnan(value):
        return (np.nan, np.nan, np.nan)
    if not np.isnan(errors).any():
        half = float(norm.ppf((1 + level) / 2)) * _slope_error(x, errors)
    elif len(x) > MIN_CHECKPOINTS:
        freedom = len(x) - 2
        residuals = y - y.mean() - value * (x - x.mean())
        spread = np.full(len(x), sqrt(float(residuals @ residuals) / freedom))
        half = float(t.ppf((1 + level) / 2, freedom)) * _slope_error(x, spread)
    else:
        half = np.nan
    return value, value - half, value + half


def _slope_error(x: Floats, errors: Floats) -> float:
    """Standard error of a least-squares slope over points with these errors."""
    centred = x - x.mean()
    return sqrt(float((centred**2) @ (errors**2))) / float(centred @ centred)
