"""The cells of a study as a frame: one row each, with its key columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.tables.columns import IDENTITY, KEY_COLUMNS

# Rows are sorted by numbers before names, so that checkpoints are in order.
ORDER = ("family", "step", "recipe", "train_set", "seed", "eval_set", "format", "shots", "draw")
ORDER_KEYS = [*ORDER, *(name for name in KEY_COLUMNS if name not in ORDER)]


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
    """Raise StudyError if two rows are the same cell."""
    repeated = frame[frame.duplicated(list(IDENTITY))]
    if not repeated.empty:
        raise StudyError(
            f"{len(repeated)} cells occur more than once, first {describe(repeated.iloc[0])}",
            key="cell",
            fix="name each evaluation of a variant once in the study's blocks",
        )


def describe(cell: Mapping[str, Any] | pd.Series) -> str:
    """A cell in words, for error messages."""
    parts = []
    for name in IDENTITY:
        value = cell.get(name)
        if value is not None and value is not pd.NA and value != "":
            parts.append(f"{name}={value}")
    return ", ".join(parts)
