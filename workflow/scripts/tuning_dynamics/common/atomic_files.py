"""Files written whole or not at all, read with errors for people, and their digests."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import UnavailableError

#: Names of files that are being written, or that a killed process left half-written.
_PART = re.compile(r"\..+\.\d+\.part")

#: Errors of file systems that can't sync a folder.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` when the block ends well.

    A reader never sees half a file, whatever kills the writer, not even after a power failure.
    """
    with _part_of(Path(path)) as temporary:
        yield temporary
        _sync(temporary)
        temporary.replace(path)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`; rename it to `path` when the block ends well.

    An existing folder is replaced: `path` is the old or the new one, whole, or briefly missing.
    """
    path = Path(path)
    with _part_of(path) as temporary:
        # A killed process may have had the same id and left files: ids recur in containers.
        remove(temporary)
        temporary.mkdir()
        yield temporary
        for written in (*temporary.rglob("*"), temporary):
            _sync(written)
        # Move the old one away first: a rename can't replace a folder that holds files.
        former = _part(path, "former")
        remove(former)
        if path.exists():
            path.replace(former)
        temporary.replace(path)
        remove(former)


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """The temporary path of what the block turns into `path`; it is removed after a failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _part(path)
    with ExitStack() as failure:
        failure.callback(remove, temporary)
        try:
            yield temporary
        except Exception as error:
            error.add_note(f"while writing {path}")
            raise
        failure.pop_all()
    _sync(path.parent)


def _part(path: Path, *words: str) -> Path:
    return path.with_name(".".join(["", path.name, *words, str(os.getpid()), "part"]))


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if not (error.errno in _NO_SYNC and path.is_dir()):
            raise
    finally:
        os.close(opened)


def remove(path: str | Path) -> None:
    """Remove a file or a folder, if it is there."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sweep(folder: str | Path) -> list[Path]:
    """Remove what killed processes left half-written below a folder; return what was removed.

    The caller ensures that nothing is writing there.
    """
    removed = []
    for place, folders, files in os.walk(folder):
        for name in filter(_PART.fullmatch, (*folders, *files)):
            removed.append(Path(place, name))
            remove(removed[-1])
        folders[:] = [name for name in folders if not _PART.fullmatch(name)]
    return removed


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused (ValueError)."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Parse a JSON file the workflow wrote; UnavailableError where it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnavailableError(
            "a file that an earlier job writes is missing",
            file=path,
            fix="run the same command again; Snakemake re-makes it",
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnavailableError(
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
