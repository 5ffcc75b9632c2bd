"""Per-item records of one cell, checked before any number is made of them."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from tuning_dynamics.study.errors import StudyError

RECORD_COLUMNS = (
    "item",
    "context",
    "prompt_digest",
    "truncated",
    "prediction",
    "gold",
    "score",
    "option_scores",
)

_AGAIN = "delete the file and run the workflow again; it evaluates this cell anew"


def read_records(path: Path) -> pd.DataFrame:
    """Read one cell's records, sorted by item.

    Columns: item, context, prompt_digest, truncated, prediction, gold, score in [0, 1],
    option_scores. Raises StudyError where the file is missing, not parquet or empty, where
    columns or types are wrong, where an item is repeated or a score is missing or outside [0, 1].
    """
    table = _read(path)
    _check_columns(table.schema, path)
    frame = table.to_pandas()
    _check_items(frame, path)
    _check_scores(frame, path)
    return frame.sort_values("item", kind="stable", ignore_index=True)


def _read(path: Path) -> pa.Table:
    try:
        # Opened here: given a path, pyarrow would also accept a folder of files.
        with path.open("rb") as file:
            return pq.read_table(file)
    except FileNotFoundError as error:
        raise StudyError(
            "the records of a cell are missing",
            file=path,
            fix="run the workflow again; it evaluates this cell",
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise StudyError(
            f"the records of a cell can't be read as parquet: {str(error)[:200]}",
            file=path,
            fix=_AGAIN,
        ) from error


def _check_columns(schema: pa.Schema, path: Path) -> None:
    if sorted(schema.names) != sorted(RECORD_COLUMNS):
        raise StudyError(
            f"records have the columns {sorted(schema.names)}",
            file=path,
            fix=f"records must have exactly these: {', '.join(RECORD_COLUMNS)}; {_AGAIN}",
        )
    wrong = [name for name in ("item", "context", "prediction") if not _is_text(schema, name)]
    if not pt.is_floating(schema.field("score").type):
        wrong.append("score")
    if not pt.is_boolean(schema.field("truncated").type):
        wrong.append("truncated")
    if wrong:
        raise StudyError(
            "records have columns of a wrong type: "
            + ", ".join(f"{name} ({schema.field(name).type})" for name in wrong),
            file=path,
            key=wrong[0],
            fix=_AGAIN,
        )


def _is_text(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def _check_items(frame: pd.DataFrame, path: Path) -> None:
    if frame.empty:
        raise StudyError("a cell has no items", file=path, fix=_AGAIN)
    if frame["item"].isna().any() or frame["truncated"].isna().any():
        raise StudyError("a record has no item id or no truncated flag", file=path, fix=_AGAIN)
    repeated = frame.loc[frame["item"].duplicated(), "item"]
    if not repeated.empty:
        raise StudyError(
            f"{len(repeated)} item ids occur more than once in one cell",
            file=path,
            key="item",
            value=repeated.iloc[0],
            fix="make the item ids of the evaluation set unique, then evaluate the cell again",
        )


def _check_scores(frame: pd.DataFrame, path: Path) -> None:
    # `between` is false for NaN, so a missing score is caught here too.
    bad = frame.loc[~frame["score"].between(0.0, 1.0)]
    if not bad.empty:
        raise StudyError(
            f"{len(bad)} scores are missing or outside [0, 1], the first at item "
            f"'{bad['item'].iloc[0]}'",
            file=path,
            key="score",
            value=bad["score"].iloc[0],
            fix=_AGAIN,
        )
