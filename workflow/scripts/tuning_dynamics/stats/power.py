"""power.csv: the smallest differences that a study can see, from what did vary in it.

The counterpart of what a dry run says from assumptions, by the same functions (common/power.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.constants import MIN_EVAL_SETS, MIN_TRAIN_SETS
from tuning_dynamics.common.power import (
    Crossed,
    ErrorPart,
    crossed_parts,
    quantile,
    repeated_parts,
    smallest_difference,
    standard_error,
)
from tuning_dynamics.stats.primary_cells import primary_cells
from tuning_dynamics.stats.transfer import transferred
from tuning_dynamics.tables.tables import from_rows

Floats = NDArray[np.float64]

CHANGE, TRANSFER, BASE = "change", "transfer", "base"

_POINT = ["family", "step", "checkpoint"]

#: Columns that only some kinds of contrast have.
_EMPTY: dict[str, object] = {
    **dict.fromkeys(("train_set", "eval_set", "train_kind", "eval_kind"), ""),
    **dict.fromkeys(("n", "seeds", "train_sets", "eval_sets"), pd.NA),
}


def power_rows(
    seed_means: pd.DataFrame,
    changes: pd.DataFrame,
    train_kinds: Mapping[str, str],
    *,
    level: float,
    recipe: str,
    train_sets: Sequence[str] | None,
    eval_sets: Sequence[str] | None,
) -> pd.DataFrame:
    """power.csv of one recipe; `level` is that of the tables' intervals, the rest as for
    `transfer_rows`."""
    own = primary_cells(changes[changes["recipe"] == recipe])
    covered = transferred(
        changes, train_kinds, recipe=recipe, train_sets=train_sets, eval_sets=eval_sets
    )
    rows = [
        *_change_rows(own, seed_means, level),
        *_transfer_rows(covered),
        *_base_rows(seed_means, level),
    ]
    return from_rows([{**_EMPTY, **row} for row in rows], "power")


def _change_rows(
    changes: pd.DataFrame, seed_means: pd.DataFrame, level: float
) -> Iterator[dict[str, object]]:
    """A row per tuned pair of sets and checkpoint, over its seeds."""
    items = dict(zip(_cells(seed_means), seed_means["n"], strict=True))
    for key, own in changes.groupby([*_POINT, "train_set", "eval_set"], sort=True):
        change = own["change"].to_numpy(dtype=float)
        errors = _errors(own["change_low"], own["change_high"], level)
        deviation = float(change.std(ddof=1)) if len(change) > 1 else 0.0
        parts = repeated_parts(float((errors**2).mean()), (len(change), deviation))
        yield {
            **dict(zip([*_POINT, "train_set", "eval_set"], key, strict=True)),
            "contrast": CHANGE,
            "n": items.get(next(iter(_cells(own))), pd.NA),
            "seeds": len(change),
            "value": float(change.mean()),
            **_seen(parts, "intervals over items are unknown"),
        }


def _cells(rows: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Each row's cell, without its seed."""
    names = [*_POINT, "recipe", "train_set", "eval_set", "format", "shots", "prediction", "metric"]
    yield from rows[names].itertuples(index=False, name=None)


def _base_rows(seed_means: pd.DataFrame, level: float) -> Iterator[dict[str, object]]:
    """A row per few-shot cell of `base` that summaries take."""
    own = seed_means[(seed_means["recipe"] == "base") & (seed_means["shots"] > 0)]
    cells = primary_cells(own.assign(seed=pd.NA))
    errors = _errors(cells["ci_low"], cells["ci_high"], level)
    for row, error in zip(cells.to_dict("records"), errors, strict=True):
        yield {
            **{name: row[name] for name in (*_POINT, "eval_set", "n")},
            "contrast": BASE,
            "value": row["score"],
            **_seen([ErrorPart(error**2)], "the score's interval is unknown"),
        }


def _transfer_rows(covered: pd.DataFrame) -> Iterator[dict[str, object]]:
    """A row per checkpoint, kind of train set and kind of evaluation set."""
    names = [*_POINT, "train_kind", "kind"]
    for key, own in covered.groupby(names, sort=True):
        pairs = own.groupby(["train_set", "eval_set"], sort=True)["change"].mean().reset_index()
        sets = pairs["train_set"].nunique(), pairs["eval_set"].nunique()
        reason = _too_few(*sets)
        yield {
            **dict(zip([*_POINT, "train_kind", "eval_kind"], key, strict=True)),
            "contrast": TRANSFER,
            "train_sets": sets[0],
            "eval_sets": sets[1],
            "value": float(pairs["change"].mean()),
            **(_nothing(reason) if reason else _seen(crossed_parts(crossed_of(pairs)), "")),
        }


def _too_few(train_sets: int, eval_sets: int) -> str:
    for number, least, noun in (
        (train_sets, MIN_TRAIN_SETS, "train"),
        (eval_sets, MIN_EVAL_SETS, "evaluation"),
    ):
        if number < least:
            return f"{number} {noun} set{'' if number == 1 else 's'} where {least} are needed"
    return ""


def crossed_of(pairs: pd.DataFrame) -> Crossed:
    """The variances of the mean of the column `change` over pairs of train_set and eval_set.

    Sums over clusters (Cameron, Gelbach and Miller 2011), so that missing pairs do no harm. Where
    each evaluation set has one train set, or each train set one evaluation set, the variance over
    the others' sums holds everything.
    """
    change = pairs["change"].to_numpy(dtype=float)
    around = (change - change.mean()) / len(change)
    trains, evals = (pd.factorize(pairs[name])[0] for name in ("train_set", "eval_set"))
    sizes = trains.max() + 1, evals.max() + 1
    by_train, by_eval = (
        float(size / (size - 1) * (np.bincount(codes, weights=around) ** 2).sum())
        for size, codes in zip(sizes, (trains, evals), strict=True)
    )
    left = _left_over(change, trains, evals)
    if sizes[1] == len(change):
        by_eval, left = 0.0, 0.0
    elif sizes[0] == len(change):
        by_train, left = 0.0, 0.0
    return Crossed(int(sizes[0]), int(sizes[1]), by_train, by_eval, left)


def _left_over(change: Floats, trains: NDArray[np.int64], evals: NDArray[np.int64]) -> float:
    """The variance that single pairs add to the mean, beyond effects of their sets."""
    design = np.hstack([np.eye(codes.max() + 1)[codes] for codes in (trains, evals)])
    fitted, _, rank, _ = np.linalg.lstsq(design, change, rcond=None)
    freedom = len(change) - int(rank)
    rest = change - design @ fitted
    return float(rest @ rest) / freedom / len(change) if freedom else 0.0


def _errors(low: pd.Series, high: pd.Series, level: float) -> Floats:
    """The standard errors that intervals imply; NaN where they are empty."""
    width = high.to_numpy(dtype=float) - low.to_numpy(dtype=float)
    return np.asarray(width / (2 * quantile((1 + level) / 2, None)))


def _seen(parts: Sequence[ErrorPart], unknown: str) -> dict[str, object]:
    """Standard error and smallest difference; `unknown` says why there may be none."""
    error = standard_error(parts)
    if np.isnan(error):
        return _nothing(unknown)
    if error == 0:
        return _nothing("nothing varies")
    return {"se": error, "smallest": smallest_difference(parts), "reason": ""}


def _nothing(reason: str) -> dict[str, object]:
    return {"se": nan, "smallest": nan, "reason": reason}
