"""Tables from users: CSV read as text, with errors that name file, line and column."""

import math
import re
from collections.abc import Collection
from pathlib import Path

from tuning_dynamics.common.errors import StudyError, nearest
from tuning_dynamics.common.user_files import csv_records
from tuning_dynamics.tables.inert_text import original_text

#: A line's number in its file, and its text by column, without white space at the ends and the
#: apostrophe that keeps it from being a formula.
Line = tuple[int, dict[str, str]]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def refused(what: str, file: str, line: int, column: str, value: object, fix: str) -> StudyError:
    """The error for a value of a line."""
    return StudyError(what, file=file, key=f"line {line}, column {column}", value=value, fix=fix)


def number_of(text: str, kind: str, file: str, line: int, column: str) -> float | int | None:
    """A value of a column of type `int` or `float`; None if it is empty. StudyError if it is not a
    plain number, or not a count from 0 for `int`."""
    if text == "":
        return None
    if not _NUMBER.fullmatch(text):
        fix = "write a plain number; leave it empty if it is unknown"
        raise refused("the value is not a number", file, line, column, text, fix)
    number = float(text)
    if not math.isfinite(number):
        fix = "write a number that is not infinite; leave it empty if it is unknown"
        raise refused("the value is too large", file, line, column, text, fix)
    if kind == "float":
        return number
    # Programs that keep empty values as not-a-number write 42 as 42.0.
    if number != int(number) or not 0 <= number < 2**63:
        fix = "write a whole number from 0 to 9223372036854775807"
        raise refused("the value is not a count", file, line, column, text, fix)
    return int(text) if re.fullmatch("[0-9]{1,19}", text) else int(number)


def read_header(path: str | Path) -> list[str]:
    """The names in a file's first line; none if it is empty."""
    _, header = next(csv_records(path), (1, []))
    return [name.strip() for name in header]


def read_rows(path: str | Path, required: Collection[str], optional: Collection[str]) -> list[Line]:
    """The records below the header of a comma-separated file, with the lines where they begin.

    StudyError if the file is missing, empty or not UTF-8, lacks a required column, has an unknown
    or repeated one, or if a record has more or fewer fields than the header.
    """
    header = read_header(path)
    _check_header(header, required, optional, path)
    records = csv_records(path)
    next(records, None)
    return [(line, _fields(header, fields, path, line)) for line, fields in records]


def _check_header(
    header: list[str], required: Collection[str], optional: Collection[str], path: str | Path
) -> None:
    known = [*required, *optional]
    missing = [name for name in required if name not in header]
    for name in header:
        if name not in known or header.count(name) > 1:
            raise StudyError(
                "the column is given twice" if name in known else "the column is not known",
                file=path,
                key="line 1",
                value=name,
                fix=f"{nearest(name, missing or known)}rename or remove it; "
                f"known: {', '.join(known)}",
            )
    if missing:
        raise StudyError(
            f"the table lacks the columns {', '.join(missing)}",
            file=path,
            key="line 1",
            value=", ".join(header),
            fix=f"add them; required: {', '.join(required)}",
        )


def _fields(header: list[str], fields: list[str], path: str | Path, line: int) -> dict[str, str]:
    if len(fields) != len(header):
        raise StudyError(
            f"the line has {len(fields)} fields, and the header {len(header)}",
            file=path,
            key=f"line {line}",
            value=",".join(fields),
            fix="put text that holds a comma in double quotes; leave an unknown value empty",
        )
    return {name: original_text(text.strip()) for name, text in zip(header, fields, strict=True)}
