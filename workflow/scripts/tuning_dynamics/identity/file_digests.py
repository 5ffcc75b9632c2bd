"""Digests of files' content, taken again only where a file may have changed since."""

import hashlib
import json
import os
import time
from pathlib import Path

from tuning_dynamics.common.atomic_files import file_digest, read_json, write_json
from tuning_dynamics.common.errors import StudyError

#: What a file system says of a file: size, time of its content, inode, time of its state. The
#: last one can't be set by hand, so an edit that puts the first back is seen.
Stat = tuple[int, int, int, int]


#: Nanoseconds after which a file's times tell its next writing from the last.
SETTLED = 2_000_000_000


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

    def keep(self) -> None:
        """Leave what is known for later processes, but of files that have just been written: some
        file systems tell times to the second, and another writing within it would not be seen."""
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


#: The rule whose table tells where checkpoints come from; to all others they are their files.
TELLS_ORIGIN = "checkpoints"
#: What of a model's manifest, or of the note on a family's tokenizer, says where it comes from, how
#: many tokens it was trained on and what its loss on a text is; and what says where files lie.
ORIGIN = ("repo", "revision", "commit", "tokens", "text_loss")
PLACES = ("folder", "adapter", "checkpoint")


def meaning(path: str, digest: str, rule: str) -> str:
    """What an input of that digest says to a rule's jobs: of a model, or of a family's tokenizer,
    its files: not where they lie, and where they are from to the table of checkpoints alone.

    So a study that was moved is not made again, and no model for a count of tokens that was
    mended.
    """
    if Path(path).name not in ("manifest.json", "tokenizer.json"):
        return digest
    without = PLACES if rule == TELLS_ORIGIN else (*PLACES, *ORIGIN)
    if (digest, without) not in _MEANINGS:
        _MEANINGS[digest, without] = _meaning(path, digest, without)
    return _MEANINGS[digest, without]


#: What files of a digest say without some keys, as far as this process has read them.
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
