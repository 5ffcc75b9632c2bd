"""Digests of files, in the form in which the hub or a manifest records them."""

import hashlib
from pathlib import Path

from tuning_dynamics.common.atomic_files import file_digest


def hub_digest(path: Path, like: str) -> str:
    """A file's digest in the form of `like`: `sha256:…` and `git:…` are the hub's, for large files
    and for small ones; plain hex digits are a manifest's."""
    kind, named, _ = like.partition(":")
    if kind == "git":
        return f"git:{_git_digest(path)}"
    return f"{kind if named else ''}{named}{file_digest(path)}"


def _git_digest(path: Path) -> str:
    """The name that git gives a file's content (files too small for large-file storage)."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
