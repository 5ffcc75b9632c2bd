"""What the hub answers to each call of its API."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from hub.faults import STATUS, Faults
from hub.repositories import Repository, Revision, StoredFile

DATE = "2024-01-01T00:00:00.000Z"
PAGE = 1000  # entries of a tree in one answer, as on the real hub


@dataclass(frozen=True)
class Answer:
    """What to send; with `cut`, only this many bytes of the body, then the connection is closed.

    With `reset` it is closed like a broken connection: the client gets an error, not an end.
    Without `length` the body ends with the connection, and it is repeated `times`.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    cut: int | None = None
    reset: bool = False
    length: bool = True
    times: int = 1


@dataclass(frozen=True)
class Call:
    """A request: `span` is its Range header, `parts` are the named parts of its path."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes
    span: str
    origin: str
    parts: dict[str, str] = field(default_factory=dict)

    def asks(self, name: str) -> bool:
        """Whether a parameter of the query is true."""
        return self.query.get(name, [""])[0].lower() in ("true", "1")


class RefusedError(Exception):
    """A request that the hub answers with an error code of its own."""

    def __init__(self, status: int, code: str, message: str, commit: str = "") -> None:
        super().__init__(message)
        headers = {"X-Error-Message": message}
        headers |= {"X-Error-Code": code} if code else {}
        headers |= {"X-Repo-Commit": commit} if commit else {}
        self.answer = Answer(status, headers, json.dumps({"error": message}).encode())


@dataclass
class Shelf:
    """The content of a hub: repositories by kind and name, faults, the required token, and answers
    that replace those to a path."""

    repositories: dict[tuple[str, str], Repository]
    faults: Faults
    token: str | None
    planted: dict[str, Answer] = field(default_factory=dict)

    def repository(self, kind: str, repo: str) -> Repository:
        """A repository; RefusedError with the hub's code if there is none."""
        if (kind, repo) not in self.repositories:
            raise RefusedError(404, "RepoNotFound", "Repository not found")
        return self.repositories[kind, repo]

    def find(self, kind: str, repo: str, revision: str) -> Revision:
        """A revision; RefusedError with the hub's codes if there is none."""
        found = self.repository(kind, repo).find(revision)
        if found is None:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found


def answer(shelf: Shelf, call: Call, authorization: str) -> Answer:
    """The hub's answer to a call."""
    try:
        if shelf.token is not None:
            _refuse_stranger(shelf.token, authorization)
        if unquote(call.path) in shelf.planted:
            return shelf.planted[unquote(call.path)]
        if effect := shelf.faults.meet((unquote(call.path),), call.method):
            return _failure(effect)
        method = "GET" if call.method == "HEAD" else call.method
        for wanted, pattern, make in ROUTES:
            match = re.fullmatch(pattern, call.path)
            if match and wanted == method:
                parts = {name: unquote(part or "") for name, part in match.groupdict().items()}
                return make(shelf, replace(call, parts=parts))
        raise RefusedError(404, "", f"no route for {call.method} {call.path}")
    except RefusedError as refused:
        return refused.answer


def _refuse_stranger(token: str, authorization: str) -> None:
    if not authorization:
        # Private repositories and absent ones look the same to a stranger.
        raise RefusedError(401, "RepoNotFound", "Repository not found")
    if authorization != f"Bearer {token}":
        raise RefusedError(401, "", "Invalid credentials in Authorization header")


def _failure(effect: str) -> Answer:
    headers = {"Retry-After": "0"} if effect == "busy" else {}
    return Answer(STATUS[effect], headers, json.dumps({"error": effect}).encode())


def _json(content: Any, headers: dict[str, str] | None = None) -> Answer:
    body = json.dumps(content).encode()
    return Answer(200, {"Content-Type": "application/json", **(headers or {})}, body)


def _revision(shelf: Shelf, call: Call) -> Revision:
    return shelf.find(call.parts["kind"], call.parts["repo"], call.parts["revision"] or "main")


def _refs(shelf: Shelf, call: Call) -> Answer:
    repository = shelf.repository(call.parts["kind"], call.parts["repo"])
    groups: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": []}
    names = {"heads": "branches", "tags": "tags", "convert": "converts"}
    for ref, revision in repository.revisions.items():
        _, group, name = ref.split("/", 2)
        entry = {"name": name, "ref": ref, "targetCommit": revision.commit}
        groups[names[group]].append(entry)
    return _json(groups)


def _info(shelf: Shelf, call: Call) -> Answer:
    revision, repo = _revision(shelf, call), call.parts["repo"]
    files = revision.files.values()
    described: dict[str, Any] = {
        "_id": revision.commit[:24],
        "id": repo,
        "author": repo.split("/")[0],
        "sha": revision.commit,
        "lastModified": DATE,
        "createdAt": DATE,
        "private": shelf.token is not None,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": [_sibling(file, call.asks("blobs")) for file in files],
    }
    if call.parts["kind"] == "model":
        described["modelId"] = repo
    if call.asks("securityStatus"):
        described["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    if wanted := call.query.get("expand"):
        described = {k: v for k, v in described.items() if k in {"_id", "id", *wanted}}
    return _json(described)


def _sibling(file: StoredFile, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    entry: dict[str, Any] = {"rfilename": file.path, "size": file.size, "blobId": file.oid}
    if file.sha256:
        sizes = {"size": file.size, "pointerSize": file.pointer_size}
        entry["lfs"] = {"sha256": file.sha256, **sizes}
    return entry


def _tree(shelf: Shelf, call: Call) -> Answer:
    revision, folder = _revision(shelf, call), call.parts["path"]
    files, folders = revision.below(folder, call.asks("recursive"))
    if folder and not files and not folders:
        raise RefusedError(404, "EntryNotFound", f'{folder} does not exist on "{revision.name}"')
    expand = call.asks("expand")
    entries = [_folder(path, revision, expand) for path in folders]
    entries += [_file(file, revision, expand) for file in files]
    start = int(call.query.get("cursor", ["0"])[0])
    end = start + int(call.query.get("limit", [str(PAGE)])[0])
    headers = {"Link": _next_page(call, end)} if end < len(entries) else None
    return _json(entries[start:end], headers)


def _next_page(call: Call, cursor: int) -> str:
    """The Link header of a tree that goes on."""
    query = {name: values[0] for name, values in call.query.items()} | {"cursor": str(cursor)}
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    return f'<{call.origin}{call.path}?{text}>; rel="next"'


def _folder(path: str, revision: Revision, expand: bool) -> dict[str, Any]:
    inside = [file.oid for name, file in revision.files.items() if name.startswith(f"{path}/")]
    entry = {"type": "directory", "oid": inside[0], "size": 0, "path": path}
    return {**entry, **({"lastCommit": _last_commit(revision)} if expand else {})}


def _file(file: StoredFile, revision: Revision, expand: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": file.path}
    if file.sha256:
        sizes = {"size": file.size, "pointerSize": file.pointer_size}
        entry["lfs"] = {"oid": file.sha256, **sizes}
    if expand:
        entry["lastCommit"] = _last_commit(revision)
        scans = {"avScan": None, "pickleImportScan": None}
        entry["securityFileStatus"] = {"status": "safe", **scans}
    return entry


def _last_commit(revision: Revision) -> dict[str, str]:
    return {"id": revision.commit, "title": f"Add {revision.name}", "date": DATE}


def _commits(shelf: Shelf, call: Call) -> Answer:
    commit = _last_commit(_revision(shelf, call))
    return _json([{**commit, "message": "", "authors": [{"user": "tests"}]}])


def _paths_info(shelf: Shelf, call: Call) -> Answer:
    revision = _revision(shelf, call)
    asked = parse_qs(call.body.decode())
    expand = asked.get("expand", [""])[0].lower() == "true"
    found: list[dict[str, Any]] = []
    for path in asked.get("paths", []):
        if path in revision.files:
            found.append(_file(revision.files[path], revision, expand))
        elif any(name.startswith(f"{path}/") for name in revision.files):
            found.append(_folder(path, revision, expand))
    return _json(found)


def _resolve(shelf: Shelf, call: Call) -> Answer:
    kind = "dataset" if call.parts["kind"] else "model"
    repo, path = call.parts["repo"], call.parts["path"]
    revision = shelf.find(kind, repo, call.parts["revision"])
    effect = shelf.faults.meet((kind, repo, revision.commit, path), call.method)
    file = revision.files.get(path)
    if file is None or effect == "not_found":
        raise RefusedError(404, "EntryNotFound", "Entry not found", revision.commit)
    if effect in STATUS:
        return _failure(effect)
    content = file.location.read_bytes()
    if effect == "corrupt":
        content = bytes(byte ^ 0x55 for byte in content)
    whole = Answer(200, _file_headers(file, revision), content)
    # Cut at the middle of the file, so that a range from there on gets nothing.
    middle = len(content) // 2 if effect in ("truncate", "reset") else None
    return replace(_ranged(whole, call.span, middle), reset=effect == "reset")


def _file_headers(file: StoredFile, revision: Revision) -> dict[str, str]:
    headers = {
        "ETag": f'"{file.etag}"',
        "X-Repo-Commit": revision.commit,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'inline; filename="{file.path.split("/")[-1]}"',
    }
    if file.sha256:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return headers


def _ranged(whole: Answer, span: str, middle: int | None) -> Answer:
    """The whole file, or the requested range."""
    size = len(whole.body)
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", span)
    if match is None or match[0] == "bytes=-":
        return replace(whole, cut=middle)
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(int(match[2]) + 1, size) if match[1] and match[2] else size
    if start >= end:
        return Answer(416, {"Content-Range": f"bytes */{size}"})
    return Answer(
        206,
        {**whole.headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"},
        whole.body[start:end],
        None if middle is None else max(0, middle - start),
    )


def _whoami(_shelf: Shelf, _call: Call) -> Answer:
    return _json({"type": "user", "name": "tests", "auth": {"accessToken": {"role": "read"}}})


# The slashes of refs/... come quoted or plain; no other revision holds one.
REVISION = r"(?P<revision>refs/(?:convert|pr|heads|tags)/[^/]+|[^/]+)"
REPO = r"(?P<repo>[^/]+/[^/]+)"
API = rf"/api/(?P<kind>model|dataset)s/{REPO}"
ROUTES: tuple[tuple[str, str, Callable[[Shelf, Call], Answer]], ...] = (
    ("GET", rf"{API}/refs", _refs),
    ("GET", rf"{API}(?:/revision/{REVISION})?", _info),
    ("GET", rf"{API}/tree/{REVISION}(?:/(?P<path>.+))?", _tree),
    ("GET", rf"{API}/commits/{REVISION}", _commits),
    ("POST", rf"{API}/paths-info/{REVISION}", _paths_info),
    ("GET", rf"/(?P<kind>datasets/)?{REPO}/resolve/{REVISION}/(?P<path>.+)", _resolve),
    ("GET", "/api/whoami-v2", _whoami),
)
