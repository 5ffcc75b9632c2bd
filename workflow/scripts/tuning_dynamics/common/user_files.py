"""Text and CSV files from users, read strictly: UTF-8 only, and no line is lost in another."""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tuning_dynamics.common.errors import StudyError, UnavailableError


def require_file(path: str | Path) -> None:
    """UnavailableError if a path is no file: a pipe, for one, might never end."""
    try:
        found, reason = Path(path).is_file(), "the file does not exist"
    except OSError as error:
        found, reason = False, f"the file can't be read ({error.strerror})"
    if not found:
        raise UnavailableError(
            reason,
            file=path,
            key="path",
            value=str(path),
            fix="check the path, its rights and data_root; relative paths start at the repository",
        )


def text_lines(path: str | Path) -> Iterator[str]:
    """A file's lines with their ends: at line feeds only, as texts may hold other separators, such
    as U+2028. A byte-order mark is no text.

    StudyError names the byte that is not UTF-8; UnavailableError if there is no file.
    """
    require_file(path)
    start = 0
    try:
        with Path(path).open("rb") as stream:
            for line in stream:
                yield _decoded(line, start, path)
                start += len(line)
    except OSError as error:
        raise UnavailableError(
            f"the file can't be read ({error.strerror})",
            file=path,
            key="path",
            value=str(path),
            fix="check its rights and the file system",
        ) from None


def _decoded(line: bytes, start: int, path: str | Path) -> str:
    try:
        return line.decode("utf-8" if start else "utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {start + error.start}"
        raise StudyError(
            f"the file is not UTF-8 text ({error.reason} at {place})",
            file=path,
            key=place,
            value=line[max(0, error.start - 20) : error.start + 20],
            fix="convert it to UTF-8",
        ) from None


def csv_records(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """The records of a comma-separated file, its header first, each with the line where it begins;
    blank lines are none.

    StudyError for stray quotes: where csv itself refuses them, and where a pair of them would make
    one record of several that are whole without it.
    """
    csv.field_size_limit(sys.maxsize)  # texts can be longer than the module's 128 KB
    lines: list[str] = []
    reader = csv.reader(_noting(text_lines(path), lines), strict=True)
    begin, width = 1, 0
    try:
        for cells in reader:
            width = width or len(cells)
            if _are_whole(lines, width):
                raise _glued(path, begin, lines)
            if cells:
                yield begin, cells
            begin += len(lines)
            lines.clear()
    except csv.Error as error:
        raise StudyError(
            f"the record that begins at line {begin} is not CSV ({error})",
            file=path,
            key=f"line {begin}",
            value="".join(lines),
            fix="quote fields that hold quotes or line breaks, write a quote within them twice, "
            "and end lines with \\n",
        ) from None


def _noting(lines: Iterable[str], noted: list[str]) -> Iterator[str]:
    for line in lines:
        noted.append(line)
        yield line


def _are_whole(lines: list[str], width: int) -> bool:
    """Whether the lines of one record would each be a record if its two quotes were text. A writer
    that quotes all fields is known by its other quotes."""
    return (
        len(lines) > 1
        and width > 1
        and sum(line.count('"') for line in lines) == 2
        and all(line.count(",") == width - 1 for line in lines)
    )


def _glued(path: str | Path, begin: int, lines: list[str]) -> StudyError:
    return StudyError(
        f"lines {begin} to {begin + len(lines) - 1} are one record if their two quotation marks "
        "are quotes, and a record each if these are text",
        file=path,
        key=f"line {begin}",
        value="".join(lines),
        fix="write quotation marks that are text twice, in a quoted field; if the field does hold "
        "a line break, quote all fields of the file",
    )
