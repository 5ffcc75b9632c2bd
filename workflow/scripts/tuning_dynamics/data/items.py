"""Frozen items: the one parquet per dataset that tuning and evaluation read."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import (
    REFUSED_KEY,
    UnavailableError,
    require_accepted,
    shorten,
)

#: A training row, an evaluated item, or a demonstration (never an evaluated item).
SPLITS = ("train", "evaluation", "demonstration")

#: The parquet file's columns; fields and messages are JSON.
SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("split", pa.string()),
        ("context", pa.string()),
        ("fields", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("options", pa.list_(pa.string())),
        ("messages", pa.string()),
    ]
)


#: Items of a row group: a few megabytes of long dialogues.
GROUP = 1000


@dataclass(frozen=True)
class Item:
    """One item of a dataset.

    `gold` holds the label word, the right option, or the references; `options` are in the
    shown order; `messages` are role / content turns of instruction data.
    """

    item: str
    split: str
    context: str
    fields: dict[str, str]
    gold: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    messages: list[dict[str, str]] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The text that tuning teaches: the label, the option, the first reference."""
        return self.gold[0]


def write_items(path: str | Path, items: Iterable[Item]) -> None:
    """Write items in the given order, a row group at a time; the file appears atomically."""
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


def write_refused(path: str | Path, schema: pa.Schema, reason: str) -> None:
    """Write a parquet file without rows that states why its input was refused."""
    marked = schema.with_metadata({**(schema.metadata or {}), REFUSED_KEY: reason})
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist([], schema=marked), temporary)


def read_items(path: str | Path, split: str) -> list[Item]:
    """The items of one split, in frozen order; UnavailableError if the file is unreadable,
    RefusedError if the set was refused."""
    with _readable(path):
        table = pq.read_table(path, filters=[("split", "=", split)])
        require_accepted(table.schema.metadata)
        return [item_of(row) for row in table.to_pylist()]


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """UnavailableError for what a damaged file of items makes of reading it."""
    try:
        yield
    # Arrow's errors are also of Python's classes, and JSON's too.
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnavailableError(
            f"frozen items cannot be read ({shorten(str(error), 200)})",
            file=path,
            fix="delete the file and run the same command again",
        ) from None


def item_of(row: dict[str, Any]) -> Item:
    """The item in a row of the parquet file; ValueError or TypeError if it is none."""
    item = Item(
        **{**row, "fields": json.loads(row["fields"]), "messages": json.loads(row["messages"])}
    )
    texts = [item.item, item.context, *item.fields.values(), *item.gold, *item.options]
    texts += [text for message in item.messages for text in message.values()]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("an item holds a value that is no text")
    return item


def read_in_batches(path: str | Path, split: str, size: int) -> Iterator[list[Item]]:
    """The items of one split in frozen order, at most `size` at a time, no batch empty.

    UnavailableError if the file is unreadable, RefusedError if the set was refused.
    """
    # Without pre-buffering, which would hold a whole row group's columns twice.
    with _readable(path), pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        require_accepted(file.schema_arrow.metadata)
        for batch in file.iter_batches(batch_size=size):
            rows = [row for row in batch.to_pylist() if row["split"] == split]
            if rows:
                yield [item_of(row) for row in rows]
