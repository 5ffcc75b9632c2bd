"""Files written whole or not at all, read with errors for people, and their digests."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuning_dynamics.study.errors import StudyError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well.

    A reader never sees half a file, whatever kills the writer.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused (ValueError)."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Parse a JSON file the workflow wrote; StudyError where it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            "a file that an earlier job writes is missing",
            file=path,
            fix="run the same command again; Snakemake re-makes it",
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StudyError(
            f"a file that an earlier job writes is damaged ({error})",
            file=path,
            fix="delete it and run the same command again",
        ) from None


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """The first 16 hex digits of a text's SHA-256: ids of items and prompts."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
