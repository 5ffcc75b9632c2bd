"""Repositories of a hub as folders: their revisions, files and the digests the hub shows.

A revision is the folder `ROOT/{models,datasets}/OWNER/NAME/REF`, where REF is the full git ref
(`refs/heads/main`) with its slashes quoted. Commit ids are digests of ref and content, so two
builds of the same files have the same ids.
"""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

#: Files that the hub stores outside git (.gitattributes of its repositories).
LARGE = (".safetensors", ".bin", ".parquet", ".pt", ".h5", ".onnx", ".msgpack")
KINDS = ("model", "dataset")


@dataclass(frozen=True)
class StoredFile:
    """A file of a revision; `sha256` is None for a file that is small enough for git."""

    path: str
    location: Path
    size: int
    oid: str
    sha256: str | None
    pointer_size: int = 0

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Revision:
    """A branch, tag or conversion, and its files by path."""

    ref: str
    commit: str
    files: dict[str, StoredFile]

    @property
    def name(self) -> str:
        """The ref's name as clients give it: a branch or tag alone, others in full."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")

    def below(self, folder: str, recursive: bool) -> tuple[list[StoredFile], list[str]]:
        """The files and folders in a folder, or anywhere under it."""
        prefix = f"{folder}/" if folder else ""
        inside = [file for path, file in self.files.items() if path.startswith(prefix)]
        names = [file.path.removeprefix(prefix) for file in inside]
        folders = {
            prefix + "/".join(name.split("/")[:depth])
            for name in names
            for depth in range(1, name.count("/") + 1)
        }
        if not recursive:
            inside = [f for f, name in zip(inside, names, strict=True) if "/" not in name]
            folders = {path for path in folders if "/" not in path.removeprefix(prefix)}
        return inside, sorted(folders)


@dataclass
class Repository:
    """The revisions of one repository, by full ref."""

    kind: str
    name: str
    revisions: dict[str, Revision] = field(default_factory=dict)

    def find(self, revision: str) -> Revision | None:
        """A revision by branch, tag, full ref or commit."""
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in self.revisions:
                return self.revisions[ref]
        return next((r for r in self.revisions.values() if r.commit == revision), None)


def full_ref(revision: str) -> str:
    """`main` -> `refs/heads/main`; a full ref stays."""
    return revision if revision.startswith("refs/") else f"refs/heads/{revision}"


def copy_revision(root: Path, kind: str, name: str, revision: str, folder: Path) -> Path:
    """Copy a folder to the place of a revision under `root`; returns that place."""
    if kind not in KINDS:
        raise ValueError(f"a repository is one of {KINDS}, not {kind!r}")
    place = root / f"{kind}s" / name / quote(full_ref(revision), safe="")
    shutil.copytree(folder, place)
    return place


def read_revision(kind: str, name: str, place: Path) -> Revision:
    """The revision stored in a folder."""
    ref = unquote(place.name)
    paths = sorted(path for path in place.rglob("*") if path.is_file())
    files = [_stored(path, path.relative_to(place).as_posix()) for path in paths]
    content = "".join(f"{file.path} {file.etag}\n" for file in files)
    commit = hashlib.sha1(f"{kind} {name} {ref}\n{content}".encode()).hexdigest()
    return Revision(ref, commit, {file.path: file for file in files})


def read_repositories(root: Path) -> dict[tuple[str, str], Repository]:
    """All repositories under `root`, by kind and name."""
    found: dict[tuple[str, str], Repository] = {}
    for kind in KINDS:
        for place in sorted((root / f"{kind}s").glob("*/*/*")):
            name = place.parent.relative_to(root / f"{kind}s").as_posix()
            repository = found.setdefault((kind, name), Repository(kind, name))
            revision = read_revision(kind, name, place)
            repository.revisions[revision.ref] = revision
    return found


def _stored(location: Path, path: str) -> StoredFile:
    content = location.read_bytes()
    if not path.endswith(LARGE):
        return StoredFile(path, location, len(content), git_oid(content), None)
    sha256 = hashlib.sha256(content).hexdigest()
    # What git itself holds of a large file (git-lfs specification, "The Pointer").
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n"
    ).encode()
    return StoredFile(path, location, len(content), git_oid(pointer), sha256, len(pointer))


def git_oid(content: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
