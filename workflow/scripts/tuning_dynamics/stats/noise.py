"""noise.csv: differences between scores that should be equal.

Two models tuned with different seeds, or from nearly identical checkpoints, should score alike. How
much they differ is the floor below which no difference is a finding.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.variants import NEAR_SHARE
from tuning_dynamics.stats.degenerate import degenerate_cells
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT
from tuning_dynamics.tables.columns import POOLED
from tuning_dynamics.tables.tables import from_rows

SEEDS, NEAR = "seeds", "near_checkpoints"

_SAME_CELL = [
    "family",
    "recipe",
    "train_set",
    "eval_set",
    "format",
    "shots",
    "draw",
    "prediction",
    "metric",
]
_POOLED = ["kind", "family", "recipe", "eval_set", "format", "metric"]


def noise_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """noise.csv from scores.csv: cells at several seeds, cells at near-identical checkpoints, and
    both pooled by recipe, evaluation set and format (`checkpoint` is `all`).

    Degenerate cells are left out: models that all give one answer agree, and say nothing of how
    much working ones differ.
    """
    scores = scores.drop(index=degenerate_cells(scores).index)
    cells = from_rows([*_over_seeds(scores), *_over_near_checkpoints(scores)], "noise")
    rows = cells.to_dict("records") + [_pool(own) for _, own in cells.groupby(_POOLED, sort=True)]
    return from_rows(rows, "noise")


def _over_seeds(scores: pd.DataFrame) -> Iterator[dict[str, object]]:
    tuned = scores[scores["seed"].notna()]
    for _, own in tuned.groupby([*_SAME_CELL, "step", "checkpoint"], sort=True):
        if len(own) > 1:
            yield _row(SEEDS, own, seed=pd.NA, other="")


def _over_near_checkpoints(scores: pd.DataFrame) -> Iterator[dict[str, object]]:
    for _, own in scores.groupby("family", sort=True):
        # By label: a published table may give two labels one step.
        points = own[["checkpoint", "step", "tokens"]].drop_duplicates()
        points = points.sort_values(["tokens", "step"], kind="stable")
        for one, other in combinations(points.itertuples(index=False), 2):
            if other.tokens - one.tokens < NEAR_SHARE * other.tokens:
                both = own[own["checkpoint"].isin([one.checkpoint, other.checkpoint])]
                yield from _near_rows(both.sort_values(["tokens", "step"], kind="stable"))


def _near_rows(both: pd.DataFrame) -> Iterator[dict[str, object]]:
    """A row per cell that two checkpoints share; seeds are not mixed."""
    for _, own in both.groupby([*_SAME_CELL, "seed"], sort=True, dropna=False):
        if len(own) > 1:
            yield _row(NEAR, own, seed=own["seed"].iloc[0], other=own["checkpoint"].iloc[1])


def _row(kind: str, own: pd.DataFrame, *, seed: object, other: str) -> dict[str, object]:
    values = own["score"].to_numpy(dtype=float)
    spread = float(values.std(ddof=1))
    first = own.iloc[0]
    return {
        "kind": kind,
        **{name: first[name] for name in (*_SAME_CELL, "checkpoint", "step")},
        "other": other,
        "seed": seed,
        "n": len(values),
        "pairs": len(values) * (len(values) - 1) // 2,
        "sd": spread,
        "range": float(np.ptp(values)),
        # Over all pairs the mean square difference is twice the variance.
        "difference": sqrt(2) * spread,
    }


def _pool(own: pd.DataFrame) -> dict[str, object]:
    difference = root_mean_square(own)
    return {
        **{name: own[name].iloc[0] for name in _POOLED},
        "checkpoint": POOLED,
        "step": pd.NA,
        **{name: "" for name in ("other", "train_set", "prediction")},
        **{name: pd.NA for name in ("seed", "shots", "draw")},
        "n": int(own["n"].sum()),
        "pairs": int(own["pairs"].sum()),
        "sd": difference / sqrt(2),
        "range": float(own["range"].max()),
        "difference": difference,
    }


def root_mean_square(rows: pd.DataFrame) -> float:
    """Root mean square of `difference` over all pairs of some rows of noise.csv."""
    pairs, difference = (rows[name].to_numpy(dtype=float) for name in ("pairs", "difference"))
    return float(sqrt((pairs * difference**2).sum() / pairs.sum()))


@dataclass(frozen=True)
class Floor:
    """How much two scores differ that should be equal; NaN if unknown.

    `kind` is its origin, over `pairs` pairs of scores on `sets` evaluation sets.
    """

    value: float
    kind: str
    pairs: int
    sets: int


UNKNOWN = Floor(float("nan"), "", 0, 0)


def noise_floor(
    noise: pd.DataFrame,
    *,
    recipe: str,
    eval_sets: Collection[str],
    formats: Collection[str] = (DEFAULT_FORMAT,),
) -> Floor:
    """The floor for one recipe on some evaluation sets in some formats (none: all), from one
    family's noise.csv.

    The pooled difference between seeds or between near-identical checkpoints, whichever is the
    larger; UNKNOWN if there is neither.
    """
    pooled = noise[
        (noise["checkpoint"] == POOLED)
        & (noise["recipe"] == recipe)
        & noise["eval_set"].isin(list(eval_sets))
        & (noise["format"].isin(list(formats)) | (not formats))
    ]
    found = [
        Floor(
            value=root_mean_square(own),
            kind=str(kind),
            pairs=int(own["pairs"].sum()),
            # A set has a row per metric.
            sets=own["eval_set"].nunique(),
        )
        for kind, own in pooled.groupby("kind", sort=True)
    ]
    return max(found, key=lambda floor: floor.value, default=UNKNOWN)


def slope_floor(floor: Floor, x: NDArray[np.float64]) -> Floor:
    """The typical slope, on the axis of `x`, of scores that should be equal.

    A difference of two scores has twice the variance of one; a least-squares slope has that of one
    over the sum of squares of `x`.
    """
    spread = float(((x - x.mean()) ** 2).sum())
    value = floor.value / sqrt(2 * spread) if spread > 0 else float("nan")
    return replace(floor, value=value)


def marks(value: float, floor: Floor) -> dict[str, object]:
    """The columns `floor` and `under_floor` of a row: `yes`, nothing, or `unknown`."""
    if not floor.pairs:
        return {"floor": float("nan"), "under_floor": "unknown"}
    return {"floor": floor.value, "under_floor": "yes" if under(value, floor) else ""}


def under(value: float, floor: Floor) -> bool:
    """Whether a change is smaller than the noise floor; False if that is unknown."""
    return abs(value) < floor.value
