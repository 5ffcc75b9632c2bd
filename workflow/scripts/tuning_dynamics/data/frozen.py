"""Frozen items in row groups: written and read without ever holding a whole set."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import UnavailableError
from tuning_dynamics.data.items import SCHEMA, Item, item_of, require_accepted

#: Items of a row group: a few megabytes of long dialogues.
GROUP = 1000


def write_in_groups(path: str | Path, items: Iterable[Item]) -> None:
    """Write items in the order given, a row group at a time, whole or not at all."""
    remaining = iter(items)
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        while group := list(islice(remaining, GROUP)):
            writer.write_table(pa.Table.from_pylist([_row(item) for item in group], SCHEMA))


def _row(item: Item) -> dict[str, object]:
    return {
        **vars(item),
        "fields": json.dumps(item.fields, ensure_ascii=False),
        "messages": json.dumps(item.messages, ensure_ascii=False),
    }


def read_in_batches(path: str | Path, split: str, size: int) -> Iterator[list[Item]]:
    """The items of one split in frozen order, at most `size` at a time, no batch empty.

    UnavailableError where the file is unreadable, RefusedError where the set was.
    """
    try:
        # Without pre-buffering, which would hold a whole row group's columns twice.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            require_accepted(file.schema_arrow)
            for batch in file.iter_batches(batch_size=size):
                rows = [row for row in batch.to_pylist() if row["split"] == split]
                if rows:
                    yield [item_of(row) for row in rows]
    except (OSError, pa.ArrowInvalid) as error:
        raise UnavailableError(
            f"frozen items cannot be read ({error})",
            file=path,
            fix="delete the file and run the same command again",
        ) from None
