"""CSV files from users: read as text, with errors that name file, line and column."""

import csv
from collections.abc import Collection
from pathlib import Path

from tuning_dynamics.common.errors import StudyError, nearest

#: A line's number in its file, and its text by column, without white space at the ends.
Line = tuple[int, dict[str, str]]


def read_rows(path: str | Path, required: Collection[str], optional: Collection[str]) -> list[Line]:
    """The lines below the header of a comma-separated file.

    StudyError if the file is missing, empty or not UTF-8, lacks a required column, has an unknown
    or repeated one, or if a line has more or fewer fields than the header.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, required, optional, path)
            return [
                (reader.line_num, _fields(header, fields, path, reader.line_num))
                for fields in reader
                if fields
            ]
    except (FileNotFoundError, IsADirectoryError):
        raise StudyError(
            "the file does not exist",
            file=path,
            key="path",
            value=str(path),
            fix="check the path; relative ones start at the repository",
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError(
            f"the file is not a CSV file of UTF-8 text: {error}",
            file=path,
            fix="save it as CSV with commas, in UTF-8",
        ) from None


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
    return {name: text.strip() for name, text in zip(header, fields, strict=True)}
