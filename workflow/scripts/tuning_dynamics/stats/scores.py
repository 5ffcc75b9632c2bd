"""scores.csv: one row per cell, the mean over items with its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import percentile_intervals
from tuning_dynamics.stats.records import read_records
from tuning_dynamics.stats.tables import IDENTITY, KEY_COLUMNS, typed
from tuning_dynamics.study.errors import StudyError

# Rows are sorted by numbers before names, so that checkpoints come in their order.
ORDER = ("family", "step", "recipe", "train_set", "seed", "eval_set", "format", "shots")
ORDER_KEYS = [*ORDER, *(name for name in KEY_COLUMNS if name not in ORDER)]


def score_rows(
    cells: Sequence[Mapping[str, Any]], *, resamples: int, level: float, seed: int
) -> pd.DataFrame:
    """scores.csv from the cells' key columns and the `path` of each one's records.

    `score` is the mean over items, `se` its standard error, `ci_low`, `ci_high` the percentile
    bootstrap interval. Raises StudyError for a repeated cell, a missing or broken file of
    records, or a cell of fewer than 2 items.
    """
    frame = cell_frame(cells)
    records = [read_records(Path(path)) for path in frame["path"]]
    scores = [record["score"].to_numpy(dtype=float) for record in records]
    for path, values in zip(frame["path"], scores, strict=True):
        require_two_items(len(values), Path(path))
    intervals = percentile_intervals(scores, resamples, level, seed)
    table = frame.drop(columns="path").assign(
        n=[len(values) for values in scores],
        score=[float(values.mean()) for values in scores],
        se=[float(values.std(ddof=1) / np.sqrt(len(values))) for values in scores],
        ci_low=intervals[:, 0],
        ci_high=intervals[:, 1],
        truncated=[int(record["truncated"].sum()) for record in records],
    )
    return typed(table, "scores")


def cell_frame(cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Key columns and `path` of all cells, sorted; raises StudyError for a repeated cell."""
    columns = [*KEY_COLUMNS, "path"]
    for cell in cells:
        missing = [name for name in columns if name not in cell]
        if missing:
            raise StudyError(
                f"a cell lacks {', '.join(missing)}: {describe(cell)}",
                key=missing[0],
                fix="give every cell all key columns of scores.csv and the path of its records",
            )
    frame = pd.DataFrame([{name: cell[name] for name in columns} for cell in cells])
    frame = frame.reindex(columns=columns)
    kinds = {"str": "str", "int": "Int64"}
    frame = frame.astype({name: kinds[kind] for name, kind in KEY_COLUMNS.items()})
    require_unique(frame)
    return frame.sort_values(ORDER_KEYS, ignore_index=True)


def require_unique(frame: pd.DataFrame) -> None:
    """Raises StudyError where two rows are the same cell."""
    repeated = frame[frame.duplicated(list(IDENTITY))]
    if not repeated.empty:
        raise StudyError(
            f"{len(repeated)} cells occur more than once, first {describe(repeated.iloc[0])}",
            key="cell",
            fix="name each evaluation of a variant once in the study's blocks",
        )


def require_two_items(n: int, path: Path) -> None:
    """Raises StudyError for a cell of fewer than 2 items, naming its file."""
    if n < 2:
        raise StudyError(
            f"an interval needs at least 2 items, and this cell has {n}",
            file=path,
            key="items",
            value=n,
            fix="evaluate more items of this set",
        )


def describe(cell: Mapping[str, Any] | pd.Series) -> str:
    """A cell in words, for error messages."""
    parts = []
    for name in IDENTITY:
        value = cell.get(name)
        if value is not None and value is not pd.NA and value != "":
            parts.append(f"{name}={value}")
    return ", ".join(parts)
