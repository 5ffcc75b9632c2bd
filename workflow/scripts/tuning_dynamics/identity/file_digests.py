"""Digests of files' content, computed again only if a file may have changed."""

import hashlib
import json
import os
import time
from pathlib import Path

from tuning_dynamics.common.atomic_files import file_digest, read_json, write_json
from tuning_dynamics.common.errors import StudyError

#: A file's stat: size, mtime, inode, ctime. The ctime can't be set by hand, so an edit that
#: restores the mtime is noticed.
Stat = tuple[int, int, int, int]


#: Nanoseconds after which another writing of a file is sure to change its times.
SETTLED = 2_000_000_000


class Digests:
    """Digests of files by path; those of an earlier process are read from the file `kept`.

    A damaged or missing `kept` only costs time.
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

    def keep(self) -> None:
        """Save the digests for later processes, except of files that were just written: some file
        systems keep times to the second, and another writing in that second would go unnoticed."""
        settled = time.time_ns() - SETTLED
        if self.kept is not None:
            write_json(
                self.kept,
                {
                    path: [*stat, text]
                    for path, (stat, text) in self._seen.items()
                    if max(stat[1], stat[3]) < settled
                },
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


#: Keys of a model's manifest, or of the note on a family's tokenizer, that say more of it than
#: which files it is, each with the rule whose table states it; for all others only files count.
STATED_BY = {
    **dict.fromkeys(("repo", "revision", "commit", "tokens", "text_loss"), "checkpoints"),
    "special_tokens": "datasets",
}
#: Keys of it for the places of files.
PLACES = ("folder", "adapter", "checkpoint")


def meaning(path: str, digest: str, rule: str) -> str:
    """The digest of what a rule's jobs read in an input: for a model or a tokenizer its files, not
    their places; what else they say counts for the table that states it.

    So moving a study makes nothing stale, and correcting a count of tokens makes no model stale.
    """
    if Path(path).name not in ("manifest.json", "tokenizer.json"):
        return digest
    without = (*PLACES, *(key for key, stated in STATED_BY.items() if stated != rule))
    if (digest, without) not in _MEANINGS:
        _MEANINGS[digest, without] = _meaning(path, digest, without)
    return _MEANINGS[digest, without]


#: Digests of files' content without some keys, as far as this process has read them.
_MEANINGS: dict[tuple[str, tuple[str, ...]], str] = {}


def _meaning(path: str, digest: str, without: tuple[str, ...]) -> str:
    try:
        document = read_json(path)
    except StudyError:
        return digest
    if not isinstance(document, dict) or "folder" not in document:
        return digest
    said = {key: value for key, value in document.items() if key not in without}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
