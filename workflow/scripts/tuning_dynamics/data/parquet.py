"""Parquet files from users: a few rows at a time, in bounded memory however small the file is.

A value that is repeated is stored once, so a file of kilobytes can hold terabytes. Texts are
therefore read as references to their distinct values, and counted before they are unpacked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tuning_dynamics.common.errors import StudyError, study_error_type

#: Rows in memory at a time.
BATCH = 1000
#: Bytes that the rows of one batch may unpack to, and those of a row group.
MOST_OF_BATCH = 2**31
MOST_OF_GROUP = 2**32
#: A group of more bytes is usual if it is compressed to more than one part in so many.
USUAL_RATIO = 64
#: Values of a column in a row group, and rows of a file.
MOST_VALUES = 2**28


def columns(path: Path) -> list[str]:
    """Names of a file's columns; StudyError if it can't be read."""
    with _readable(path), pq.ParquetFile(path, pre_buffer=False) as file:
        return list(file.schema_arrow.names)


def batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file, at most BATCH at a time; StudyError if it can't be read, or unpacks to
    more than the module's bounds."""
    with _readable(path):
        texts = _checked_texts(path)
        # No pre-buffering: it would hold a whole row group of compressed columns.
        with pq.ParquetFile(
            path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=texts
        ) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                unpacked = sum(map(_bytes, batch.columns))
                if unpacked > MOST_OF_BATCH:
                    raise _too_large(path, f"{len(batch)} rows", unpacked)
                yield batch.to_pylist()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    # Arrow's errors are also of Python's classes; values that Python can't hold give those.
    except (OSError, pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise study_error_type(error)(
            "the parquet file is damaged, or holds values of a type that is not read",
            file=path,
            key="content",
            value=str(error),
            fix="create it again, with columns of texts, numbers, and lists or structs of them",
        ) from None


def _checked_texts(path: Path) -> list[str]:
    """Paths of the columns that hold texts or bytes of any length, in a file within the bounds."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        found, columns = file.metadata, [file.schema.column(n) for n in range(len(file.schema))]
        if found.num_rows > MOST_VALUES:
            raise _too_large(path, "the file", found.num_rows, "rows")
        for number in range(found.num_row_groups):
            _check_group(path, found.row_group(number))
        for column in columns:
            if column.length * BATCH > MOST_OF_BATCH:
                raise _too_large(path, f"a value of column {column.name}", column.length)
        return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _check_group(path: Path, group: pq.RowGroupMetaData) -> None:
    columns = [group.column(number) for number in range(group.num_columns)]
    size = sum(column.total_uncompressed_size for column in columns)
    if size > max(MOST_OF_GROUP, USUAL_RATIO * sum(c.total_compressed_size for c in columns)):
        raise _too_large(path, "a row group", size)
    values = max((column.num_values for column in columns), default=0)
    if values > MOST_VALUES:
        raise _too_large(path, "a column of a row group", values, "values")


def _bytes(values: pa.Array) -> int:
    """Bytes of an array as it is when references are followed."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        return int(pc.sum(pc.binary_length(values.dictionary).take(values.indices)).as_py() or 0)
    if pa.types.is_map(values.type):
        return _bytes(values.keys) + _bytes(values.items)
    if pa.types.is_nested(values.type):
        parts = values.flatten()
        return sum(map(_bytes, parts if isinstance(parts, list) else [parts]))
    return int(values.nbytes)


def _too_large(path: Path, what: str, size: int, unit: str = "bytes") -> StudyError:
    return StudyError(
        f"{what} of the parquet file would unpack to {size:,} {unit}"
        if unit == "bytes"
        else f"{what} has {size:,} {unit}",
        file=path,
        key="content",
        value=f"{path.stat().st_size:,} bytes on disk",
        fix="check where the file comes from; write long texts as several rows, or as JSONL",
    )
