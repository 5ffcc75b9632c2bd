"""Digests of files' content, taken again only where a file may have changed since."""

import hashlib
import json
import os
from pathlib import Path

from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import file_digest, read_json, write_json

#: What a file system says of a file: size, time of its content, inode, time of its state. The
#: last one can't be set by hand, so an edit that puts the first back is seen.
Stat = tuple[int, int, int, int]


class Digests:
    """Digests of files by path; those of an earlier process are taken from `kept`, a file.

    A damaged or missing `kept` costs time alone.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self.kept = kept
        self._seen: dict[str, tuple[Stat, str]] = {}
        if kept is not None and kept.is_file():
            self._seen = _read(kept)

    def of(self, path: str | Path) -> str | None:
        """SHA-256 of a file's bytes, as hex; None where there is no such file."""
        name = str(path)
        try:
            now = _stat(name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        seen = self._seen.get(name)
        if seen is None or seen[0] != now:
            seen = self._seen[name] = (now, file_digest(name))
        return seen[1]

    def note(self, path: str, digest: str) -> None:
        """Take `digest` for that of a file as it is now."""
        self._seen[path] = (_stat(path), digest)

    def keep(self) -> None:
        """Leave what is known for later processes."""
        if self.kept is not None:
            write_json(
                self.kept, {path: [*stat, text] for path, (stat, text) in self._seen.items()}
            )


def _read(path: Path) -> dict[str, tuple[Stat, str]]:
    try:
        entries = read_json(path)
        return {name: ((a, b, c, d), text) for name, (a, b, c, d, text) in entries.items()}
    except (StudyError, AttributeError, TypeError, ValueError):
        return {}


def _stat(path: str) -> Stat:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


def meaning(path: str, digest: str) -> str:
    """What an input of that digest says: of a manifest all but where the files lie, of a family's
    tokenizer its files alone.

    So a study that was moved, or whose data were, is not made again.
    """
    if Path(path).name not in ("manifest.json", "tokenizer.json"):
        return digest
    if digest not in _MEANINGS:
        _MEANINGS[digest] = _meaning(path, digest)
    return _MEANINGS[digest]


#: What files of a digest say, as far as this process has read them.
_MEANINGS: dict[str, str] = {}


def _meaning(path: str, digest: str) -> str:
    try:
        document = read_json(path)
    except StudyError:
        return digest
    if not isinstance(document, dict) or "folder" not in document:
        return digest
    said = {key: value for key, value in document.items() if key not in ("folder", "adapter")}
    said = {"files": said["files"]} if "files" in said else said
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
