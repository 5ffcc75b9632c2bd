"""Encoded training sets on disk: a memory-mapped Arrow file, never read whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import REFUSED_KEY, UnavailableError, require_accepted

#: Sequences of a record batch.
BATCH = 1000

#: Key of the file's metadata that holds the tokenizer's digest.
_TOKENIZER = b"tuning_dynamics.tokenizer"

_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("ids", pa.list_(pa.uint32())),
        ("counted", pa.list_(pa.int32())),
        ("truncated", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Tokens:
    """A training sequence: at most one token longer than the longest example.

    The model reads all but the last token and predicts all but the first. `counted` are the
    spans of positions, [start, end), whose tokens the loss counts when predicted.
    `truncated` says that the sequence was cut.
    """

    item: str
    ids: list[int]
    counted: list[tuple[int, int]]
    truncated: bool

    @property
    def targets(self) -> int:
        """Tokens that the loss counts; none if a dialogue was cut before its answer."""
        return sum(end - max(start, 1) for start, end in self.counted if end > 1)


def write_tokens(path: str | Path, sequences: Iterable[Tokens], tokenizer: str) -> None:
    """Write sequences in the given order, a batch at a time; the file appears atomically.

    `tokenizer` is the digest of the tokenizer that made them.
    """
    remaining = iter(sequences)
    schema = _SCHEMA.with_metadata({_TOKENIZER: tokenizer})
    with whole_file(path) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        while batch := list(islice(remaining, BATCH)):
            columns = [
                [tokens.item for tokens in batch],
                [tokens.ids for tokens in batch],
                [list(chain.from_iterable(tokens.counted)) for tokens in batch],
                [tokens.truncated for tokens in batch],
            ]
            arrays = [pa.array(c, t) for c, t in zip(columns, _SCHEMA.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def write_refused_tokens(path: str | Path, reason: str) -> None:
    """Write a file without sequences that states why its input was refused."""
    schema = _SCHEMA.with_metadata({REFUSED_KEY: reason})
    with whole_file(path) as temporary, pa.ipc.new_file(str(temporary), schema):
        pass


class StoredTokens:
    """The sequences of a file, each read from the mapped file on access.

    UnavailableError if the file is damaged, RefusedError if the set was refused.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._table: Any = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise UnavailableError(
                f"an encoded training set cannot be read ({error})",
                file=path,
                fix="delete the file and run the same command again",
            ) from None
        require_accepted(self._table.schema.metadata)
        self._columns = [self._table.column(name) for name in _SCHEMA.names]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, place: int) -> Tokens:
        item, ids, counted, truncated = (column[place] for column in self._columns)
        # Via dlpack: pyarrow's own conversion to numpy imports pandas, 0.2 s of every job's start.
        pairs: Any = np.from_dlpack(counted.values).reshape(-1, 2).tolist()
        return Tokens(
            item.as_py(),
            np.from_dlpack(ids.values).tolist(),
            [(start, end) for start, end in pairs],
            truncated.as_py(),
        )

    @property
    def items(self) -> list[str]:
        """The item of each sequence."""
        names: list[str] = self._table.column("item").to_pylist()
        return names

    @property
    def tokenizer(self) -> str:
        """Digest of the tokenizer that made them."""
        return str((self._table.schema.metadata or {}).get(_TOKENIZER, b"").decode())
