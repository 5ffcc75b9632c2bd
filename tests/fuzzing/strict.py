"""Files and rows read as strictly as their formats say, by nothing of the project's.

Each function gives what a file says, or raises ValueError where it says nothing, or two things.
"""

import csv
import io
import json
import math
from typing import Any

import pyarrow.parquet as pq
import yaml

Row = dict[str, Any]


def text_of(data: bytes) -> str:
    """UTF-8, without a byte-order mark."""
    return data.decode("utf-8-sig")


def finite(value: Any) -> Any:
    """A value in which numbers that are not finite are missing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, list) else value


def _once(pairs: list[tuple[str, Any]]) -> Row:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError("a key twice")
    return dict(pairs)


def jsonl(data: bytes) -> list[Row]:
    """An object per line."""
    rows = []
    for line in text_of(data).split("\n"):
        if line.strip(" \t\r"):
            try:
                row = json.loads(line, object_pairs_hook=_once)
            except RecursionError:
                raise ValueError("too deep") from None
            if not isinstance(row, dict):
                raise ValueError("no object")
            rows.append(finite(row))
    return rows


def csv_rows(data: bytes) -> list[Row]:
    """A header of columns that differ, and as many cells in each record."""
    csv.field_size_limit(2**31)
    # A line is what ends in a line feed: a lone carriage return ends none.
    lines = io.StringIO(text_of(data), newline="\n")
    try:
        header, *records = [record for record in csv.reader(lines, strict=True) if record] or [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    names = [name.strip() for name in header]
    if len(set(names)) < len(names) or any(len(record) != len(names) for record in records):
        raise ValueError("columns")
    return [dict(zip(header, record, strict=True)) for record in records]


def parquet(path: str) -> list[Row]:
    """What pyarrow reads of a file as a whole."""
    try:
        table = pq.ParquetFile(path).read()
        if len(set(table.column_names)) < len(table.column_names):
            raise ValueError("a column twice")
        return [finite(row) for row in table.to_pylist()]
    except (OSError, TypeError, ArithmeticError, LookupError, NotImplementedError) as error:
        raise ValueError(str(error)) from None


class _Texts(yaml.BaseLoader):
    """YAML in which all scalars are texts, and keys are given once."""


def _unique(loader: _Texts, node: yaml.MappingNode) -> Row:
    return _once(loader.construct_pairs(node, deep=True))


_Texts.add_constructor("tag:yaml.org,2002:map", _unique)


def yaml_texts(data: bytes) -> Row:
    """A mapping of keys, lists and texts."""
    try:
        document = yaml.load(text_of(data), Loader=_Texts)
    except (yaml.YAMLError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(document, dict):
        raise ValueError("no mapping")
    return document


def says(text: Any, value: Any) -> bool:
    """Whether a value is what YAML's text says: of the text itself, of true and false, of nothing,
    or of a number."""
    if isinstance(value, dict):
        return (
            isinstance(text, dict)
            and len(text) == len(value)
            and all(
                says(one, other) and says(text[one], value[other])
                for one, other in zip(text, value, strict=True)
            )
        )
    if isinstance(value, list):
        return isinstance(text, list) and len(text) == len(value) and all(map(says, text, value))
    if isinstance(value, bool):
        return text in (("true", "True", "TRUE") if value else ("false", "False", "FALSE"))
    if value is None:
        return text in ("", "~", "null", "Null", "NULL")
    if isinstance(value, int | float):
        return float(text) == value
    return bool(text == value)


def shown(value: Any, *, listed: bool = False) -> str:
    """A text or a whole number on one line, or several texts; ValueError for all else."""
    if listed and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(" ".join(value).split())
    if type(value) not in (str, int):
        raise ValueError("no text")
    return " ".join(str(value).split())
