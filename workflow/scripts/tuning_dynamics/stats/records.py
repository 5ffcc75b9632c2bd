"""Per-item records of one cell, checked before any number is computed from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from tuning_dynamics.common.errors import StudyError, refused_reason

RECORD_COLUMNS = (
    "item",
    "context",
    "prompt_digest",
    "truncated",
    "prediction",
    "gold",
    "option_scores",
)

# The columns that every statistic needs; few need the scores of options.
_READ = ["item", "context", "truncated", "prediction", "gold"]

_AGAIN = "delete the file and run the workflow again; it evaluates this cell again"


@dataclass(frozen=True)
class Records:
    """A cell's records of its items, in order of `item`; each field has one entry per item.

    `item`, `context` and `prediction` are text, `gold` lists of one or more right answers,
    `option_scores` lists of numbers, or None if they were not read.
    """

    item: pa.Array
    context: pa.Array
    prediction: pa.Array
    gold: pa.Array
    truncated: NDArray[np.bool_]
    option_scores: pa.Array | None = None


def read_records(path: Path, *, option_scores: bool = False) -> Records:
    """Read one cell's records, sorted by item, with the scores of options if asked for.

    Raises StudyError if the file is missing, not parquet or empty, the cell was refused, columns
    or types are wrong, an item is repeated, or an item lacks a value.
    """
    with _opened(path) as file:
        _check_columns(file.schema_arrow, path, option_scores=option_scores)
        _check_refused(file.schema_arrow, path)
        names = [*_READ, *(["option_scores"] if option_scores else [])]
        table = file.read(columns=names, use_threads=False)
        table.validate(full=True)
    _check_items(table, path)
    table = table.take(pc.sort_indices(table["item"]))
    _check_repeats(table["item"].combine_chunks(), path)
    return Records(
        item=_text(table["item"]),
        context=_text(table["context"]),
        prediction=_text(table["prediction"]),
        gold=table["gold"].combine_chunks(),
        truncated=table["truncated"].to_numpy(),
        option_scores=table["option_scores"].combine_chunks() if option_scores else None,
    )


def read_option_scores(path: Path) -> list[list[float]]:
    """The scores of each item's options, in the file's order.

    Raises StudyError as for `read_records`, and for an item without scores.
    """
    with _opened(path) as file:
        _check_refused(file.schema_arrow, path)
        table = file.read(columns=["option_scores"], use_threads=False)
        table.validate(full=True)
        scores = table["option_scores"].combine_chunks()
        nothing = scores.null_count or pc.min(pc.list_value_length(scores)).as_py() == 0
    if nothing or pc.list_flatten(scores).null_count:
        raise StudyError(
            "a record has no option_scores", file=path, key="option_scores", fix=_AGAIN
        )
    found: list[list[float]] = scores.to_pylist()
    return found


def refusal(path: Path) -> str | None:
    """Why a cell was refused; None if it was not. StudyError for a file that is missing or not
    parquet."""
    with _opened(path) as file:
        return refused_reason(file.schema_arrow.metadata)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Opened here: given a path, pyarrow would also accept a folder of files.
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            yield file
    except FileNotFoundError as error:
        raise StudyError(
            "the records of a cell are missing",
            file=path,
            fix="run the workflow again; it evaluates this cell",
        ) from error
    # ValueError: names in the file's metadata that are no text.
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StudyError(
            f"the records of a cell can't be read as parquet: {str(error)[:200]}",
            file=path,
            fix=_AGAIN,
        ) from error


def _check_columns(schema: pa.Schema, path: Path, *, option_scores: bool) -> None:
    # Cells of 0.5.0 also hold a score, which is not read.
    if sorted({*schema.names} - {"score"}) != sorted(RECORD_COLUMNS):
        raise StudyError(
            f"records have the columns {sorted(schema.names)}",
            file=path,
            fix=f"records must have exactly these: {', '.join(RECORD_COLUMNS)}; {_AGAIN}",
        )
    texts = ("item", "context", "prediction")
    wrong = [name for name in texts if not _is_text(schema.field(name).type)]
    if not _is_text_list(schema.field("gold").type):
        wrong.append("gold")
    if not pt.is_boolean(schema.field("truncated").type):
        wrong.append("truncated")
    if option_scores and not _is_number_list(schema.field("option_scores").type):
        wrong.append("option_scores")
    if wrong:
        raise StudyError(
            "records have columns of a wrong type: "
            + ", ".join(f"{name} ({schema.field(name).type})" for name in wrong),
            file=path,
            key=wrong[0],
            fix=_AGAIN,
        )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def _is_text_list(kind: pa.DataType) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind)) and _is_text(kind.value_type)


def _is_number_list(kind: pa.DataType) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind)) and pt.is_floating(kind.value_type)


def _check_refused(schema: pa.Schema, path: Path) -> None:
    reason = refused_reason(schema.metadata)
    if reason is not None:
        raise StudyError(
            f"the cell was refused: {reason}",
            file=path,
            fix="fix what it names and run the workflow again; it evaluates this cell again",
        )


def _text(column: pa.ChunkedArray) -> pa.Array:
    # Two writers may give the same text different types, and arrays of two types are never equal.
    return column.cast(pa.large_string()).combine_chunks()


def _check_items(table: pa.Table, path: Path) -> None:
    if table.num_rows == 0:
        raise StudyError("a cell has no items", file=path, fix=_AGAIN)
    for name in table.column_names:
        if table[name].null_count:
            raise StudyError(f"a record has no {name}", file=path, key=name, fix=_AGAIN)
    gold = table["gold"]
    if pc.min(pc.list_value_length(gold)).as_py() == 0 or pc.list_flatten(gold).null_count:
        raise StudyError("a record has no gold", file=path, key="gold", fix=_AGAIN)


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
