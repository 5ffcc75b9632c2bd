"""latent_gain.csv and format_trend.csv: how an effect of tuning varies with pre-training."""

from collections.abc import Collection, Sequence
from math import sqrt

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from tuning_dynamics.stats.cell_bootstrap import Drawing, Sample, errors_of, estimate, mean
from tuning_dynamics.stats.groups import OWN_TASK
from tuning_dynamics.stats.noise import marks, noise_floor
from tuning_dynamics.stats.primary_cells import curve_cells
from tuning_dynamics.stats.tokens import Floats, placed, slope
from tuning_dynamics.tables.columns import POOLED
from tuning_dynamics.tables.tables import from_rows

# A slope over fewer checkpoints has too few residuals.
MIN_CHECKPOINTS = 3

_VARIANT = ["family", "checkpoint", "recipe", "train_set", "eval_set"]


def latent_gain_rows(
    seed_means: pd.DataFrame,
    groups: pd.DataFrame,
    noise: pd.DataFrame,
    *,
    drawing: Drawing,
    recipe: str,
    roles: Sequence[str] = OWN_TASK,
) -> pd.DataFrame:
    """latent_gain.csv: the change by tuning over pre-training, for each train and evaluation set.

    From one recipe's primary cells in `roles`. A pooled row per group has the mean slope of its
    pairs, with an interval over them.
    """
    tuned = seed_means[
        (seed_means["recipe"] == recipe)
        & seed_means["role"].isin(list(roles))
        & seed_means["change"].notna()
    ]
    cells = curve_cells(tuned).merge(
        groups[["family", "eval_set", "group"]], on=["family", "eval_set"], how="left"
    )
    points = placed(cells, seed_means).assign(
        value=cells["change"].to_numpy(dtype=float),
        error=errors_of(cells["change_low"], cells["change_high"], drawing.level),
    )
    rows: list[dict[str, object]] = []
    for (family, group), own in points.groupby(["family", "group"], sort=True):
        for row in _rows(own, noise[noise["family"] == family], recipe, drawing):
            rows.append({"family": family, "group": group, **_named(row, "change")})
    return from_rows(rows, "latent_gain")


def format_trend_rows(
    sensitivity: pd.DataFrame,
    scores: pd.DataFrame,
    noise: pd.DataFrame,
    *,
    drawing: Drawing,
    recipe: str,
) -> pd.DataFrame:
    """format_trend.csv: the spread over formats over pre-training, for each train and evaluation
    set, seeds averaged; and, pooled, the mean slope of the pairs with an interval over them."""
    tuned = sensitivity[sensitivity["recipe"] == recipe]
    errors = errors_of(tuned["low"], tuned["high"], drawing.level)
    seeds = tuned.assign(error=errors).groupby(_VARIANT, sort=True)
    # Seeds are evaluated on the same items, so their mean is as uncertain as one of them.
    cells = seeds.agg(value=("spread", "mean"), error=("error", "mean"), step=("step", "first"))
    points = placed(cells.reset_index(), scores)
    rows: list[dict[str, object]] = []
    for family, own in points.groupby("family", sort=True):
        for row in _rows(own, noise[noise["family"] == family], recipe, drawing):
            rows.append({"family": family, **_named(row, "spread")})
    return from_rows(rows, "format_trend")


def _rows(
    points: pd.DataFrame, noise: pd.DataFrame, recipe: str, drawing: Drawing
) -> list[dict[str, object]]:
    """A row per (train set, evaluation set), and then the pooled one."""
    rows, slopes, errors, pairs = [], [], [], []
    for (train_set, eval_set), pair in points.groupby(["train_set", "eval_set"], sort=True):
        curve = pair.sort_values(["x", "checkpoint"])
        found = _slope(curve, drawing.level)
        if not np.isnan(found[0]):
            slopes.append(found[0])
            errors.append((found[2] - found[1]) / 2 / float(norm.ppf((1 + drawing.level) / 2)))
            pairs.append((str(train_set), str(eval_set)))
        rows.append(
            {
                "recipe": recipe,
                "train_set": train_set,
                "eval_set": eval_set,
                **_columns(curve, found, noise, recipe, {str(eval_set)}),
            }
        )
    sample = Sample(
        np.array(slopes, dtype=float),
        [f"{train_set} on {eval_set}" for train_set, eval_set in pairs],
        np.array(errors, dtype=float),
        [eval_set for _, eval_set in pairs],
    )
    pooled = estimate(mean, sample, drawing)
    found = (pooled.value, pooled.low, pooled.high)
    sets = set(points["eval_set"])
    return [
        *rows,
        {
            "recipe": recipe,
            "train_set": "",
            "eval_set": POOLED,
            **_columns(_mean_curve(points), found, noise, recipe, sets),
        },
    ]


def _mean_curve(points: pd.DataFrame) -> pd.DataFrame:
    """Mean value per checkpoint of the pairs that have all of them; NaN if no pair has."""
    own = points.groupby(["train_set", "eval_set"])["checkpoint"].transform("nunique")
    whole = points["value"].where(own == points["checkpoint"].nunique())
    by_point = points.assign(value=whole).groupby(["x", "checkpoint"], as_index=False)
    return by_point["value"].mean()


def _columns(
    curve: pd.DataFrame,
    found: tuple[float, float, float],
    noise: pd.DataFrame,
    recipe: str,
    eval_sets: Collection[str],
) -> dict[str, object]:
    floor = noise_floor(noise, recipe=recipe, eval_sets=eval_sets)
    return {
        "checkpoints": len(curve),
        "first": float(curve["value"].iloc[0]),
        "last": float(curve["value"].iloc[-1]),
        **dict(zip(("slope", "low", "high"), found, strict=True)),
        **marks(found[0], floor),
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
