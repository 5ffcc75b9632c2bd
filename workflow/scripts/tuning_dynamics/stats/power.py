"""power.csv: the smallest differences that a study can see, from what did vary in it.

The counterpart of what a dry run says from assumptions, by the same functions (common/power.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.power import (
    ErrorPart,
    quantile,
    repeated_parts,
    smallest_difference,
    standard_error,
)
from tuning_dynamics.stats.crossed import Pairs, crossed_mean, mean_components
from tuning_dynamics.stats.primary_cells import primary_cells
from tuning_dynamics.stats.transfer import transferred
from tuning_dynamics.tables.tables import from_rows

Floats = NDArray[np.float64]

CHANGE, TRANSFER, BASE = "change", "transfer", "base"

_POINT = ["family", "step", "checkpoint"]

#: Columns that only some kinds of contrast have.
_EMPTY: dict[str, object] = {
    **dict.fromkeys(("train_set", "eval_set", "train_kind", "eval_kind"), ""),
    **dict.fromkeys(("n", "seeds", "draws", "train_sets", "eval_sets"), pd.NA),
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
        *_transfer_rows(covered, level),
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
            **{name: row[name] for name in (*_POINT, "eval_set", "n", "draws")},
            "contrast": BASE,
            "value": row["score"],
            **_seen([ErrorPart(error**2)], "the score's interval is unknown"),
        }


def _transfer_rows(covered: pd.DataFrame, level: float) -> Iterator[dict[str, object]]:
    """A row per checkpoint, kind of train set and kind of evaluation set."""
    names = [*_POINT, "train_kind", "kind"]
    for key, own in covered.groupby(names, sort=True):
        pairs = Pairs.of(own, "change")
        found = crossed_mean(pairs, level)
        yield {
            **dict(zip([*_POINT, "train_kind", "eval_kind"], key, strict=True)),
            "contrast": TRANSFER,
            "train_sets": len(set(pairs.train_sets)),
            "eval_sets": len(set(pairs.eval_sets)),
            "value": found.value,
            **(_nothing(found.reason) if found.reason else _seen(_parts(pairs), "")),
        }


def _parts(pairs: Pairs) -> list[ErrorPart]:
    """The components of a mean over pairs."""
    return [
        ErrorPart(float(part.variance), round(float(part.freedom)))
        for part in mean_components(pairs)
    ]


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
