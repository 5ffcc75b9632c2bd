"""Per-item records of one cell, checked before any number is made of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

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

# What statistics need of them; texts and options of 10,000 cells would be read for nothing.
_READ = ["item", "context", "truncated", "gold", "score"]

_AGAIN = "delete the file and run the workflow again; it evaluates this cell anew"


@dataclass(frozen=True)
class Records:
    """What a cell's records say of its items, in order of `item`; each field has one entry an item.

    `item` and `context` are text, `gold` lists of right answers, `score` lies in [0, 1].
    """

    item: pa.Array
    context: pa.Array
    gold: pa.Array
    truncated: NDArray[np.bool_]
    score: NDArray[np.float64]


def read_records(path: Path) -> Records:
    """Read one cell's records, sorted by item.

    Raises StudyError where the file is missing, not parquet or empty, where columns or types are
    wrong, where an item is repeated or has no context, or a score is missing or outside [0, 1].
    """
    table = _read(path)
    _check_items(table, path)
    table = table.take(pc.sort_indices(table["item"]))
    _check_repeats(table["item"].combine_chunks(), path)
    score = table["score"].to_numpy().astype(np.float64, copy=False)
    _check_scores(score, table["item"], path)
    return Records(
        item=_text(table["item"]),
        context=_text(table["context"]),
        gold=table["gold"].combine_chunks(),
        truncated=table["truncated"].to_numpy(),
        score=score,
    )


def _read(path: Path) -> pa.Table:
    try:
        # Opened here: given a path, pyarrow would also accept a folder of files.
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            _check_columns(file.schema_arrow, path)
            return file.read(columns=_READ, use_threads=False)
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


def _text(column: pa.ChunkedArray) -> pa.Array:
    # Two writers may give the same text two types, and arrays of two types are never equal.
    return column.cast(pa.large_string()).combine_chunks()


def _check_items(table: pa.Table, path: Path) -> None:
    if table.num_rows == 0:
        raise StudyError("a cell has no items", file=path, fix=_AGAIN)
    for name in ("item", "context", "truncated"):
        if table[name].null_count:
            raise StudyError(f"a record has no {name}", file=path, key=name, fix=_AGAIN)


def _check_repeats(items: pa.Array, path: Path) -> None:
    repeated = items[1:].filter(pc.equal(items[1:], items[:-1]))
    if len(repeated):
        raise StudyError(
            f"{len(repeated)} item ids occur more than once in one cell",
            file=path,
            key="item",
            value=repeated[0].as_py(),
            fix="make the item ids of the evaluation set unique, then evaluate the cell again",
        )


def _check_scores(score: NDArray[np.float64], items: pa.ChunkedArray, path: Path) -> None:
    # Comparisons are false for NaN, so a missing score is caught here too.
    bad = np.flatnonzero(~((score >= 0.0) & (score <= 1.0)))
    if bad.size:
        raise StudyError(
            f"{bad.size} scores are missing or outside [0, 1], the first at item "
            f"'{items[int(bad[0])].as_py()}'",
            file=path,
            key="score",
            value=float(score[bad[0]]),
            fix=_AGAIN,
        )
