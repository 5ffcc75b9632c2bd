"""Tables from users: CSV read as text, with errors that name file, line and column."""

from collections.abc import Collection
from pathlib import Path

from tuning_dynamics.common.errors import StudyError, nearest
from tuning_dynamics.common.user_files import csv_records
from tuning_dynamics.tables.inert_text import original_text

#: A line's number in its file, and its text by column, without white space at the ends and the
#: apostrophe that keeps it from being a formula.
Line = tuple[int, dict[str, str]]


def read_rows(path: str | Path, required: Collection[str], optional: Collection[str]) -> list[Line]:
    """The records below the header of a comma-separated file, with the lines where they begin.

    StudyError if the file is missing, empty or not UTF-8, lacks a required column, has an unknown
    or repeated one, or if a record has more or fewer fields than the header.
    """
    records = csv_records(path)
    _, header = next(records, (1, []))
    header = [name.strip() for name in header]
    _check_header(header, required, optional, path)
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
