"""The Hugging Face hub's HTTP API on the loopback interface, as far as its clients call it.

huggingface_hub and datasets are pointed to it by HF_ENDPOINT (see `Hub.environment`) and are
not changed. Served are the refs, the description of a repository at a revision, its tree, paths
of it, and its files with Range requests; models and datasets. Files are served in place, without
the redirect to another host and without the xet headers of the real hub.
"""

import json
import socket
import struct
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

from hub.answers import Answer, Call, Shelf, answer
from hub.faults import STATUS, Fault, Faults
from hub.repositories import (
    Repository,
    copy_revision,
    full_ref,
    read_repositories,
    read_revision,
)


class Request(NamedTuple):
    """A request as it was answered: path without query, bytes of the body that were sent."""

    method: str
    path: str
    status: int
    bytes: int
    had_authorization: bool


class Hub:
    """Serves the repositories stored under `root` while it is entered as a context.

    With `token`, every request needs it. `log` names a file that gets a JSON line per request.
    """

    def __init__(self, root: Path, token: str | None = None, log: Path | None = None) -> None:
        self.root = root
        self.log = log
        self.shelf = Shelf(read_repositories(root), Faults(), token)
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT must be."""
        assert self._server is not None, "the hub serves inside `with Hub(...) as hub:` only"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, home: Path) -> dict[str, str]:
        """Variables for a client process: this hub and its token, caches in `home`."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": self.shelf.token or "",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def add_revision(self, kind: str, repo: str, revision: str, folder: Path) -> str:
        """Publish a copy of a folder; returns the commit. `kind` is `model` or `dataset`."""
        place = copy_revision(self.root, kind, repo, revision, folder)
        added = read_revision(kind, repo, place)
        found = self.shelf.repositories.setdefault((kind, repo), Repository(kind, repo))
        found.revisions[full_ref(revision)] = added
        return added.commit

    def commit(self, kind: str, repo: str, revision: str) -> str:
        """The commit of a branch, tag or full ref."""
        return self.shelf.find(kind, repo, revision).commit

    def plant(
        self, fault: Fault, kind: str, repo: str, revision: str, file: str, method: str = ""
    ) -> None:
        """Plant a fault on a file, whatever name of the revision it is asked by.

        Without `method`: `not_found` acts on HEAD and GET, the others on GET.
        """
        found = self.shelf.find(kind, repo, revision)
        assert file in found.files, file
        method = method or ("*" if fault == "not_found" else "GET")
        self.shelf.faults.plant(fault, (kind, repo, found.commit, file), method)

    def plant_on_call(self, fault: Fault, path: str, method: str = "GET") -> None:
        """Plant a fault on a call of the API, such as `/api/models/tiny/olmo/refs`.

        ValueError for a fault that only files have: those that answer with a status remain.
        """
        if not fault.startswith(tuple(STATUS)):
            raise ValueError(f"a call of the API cannot have the fault {fault!r}")
        self.shelf.faults.plant(fault, (path,), method)

    def plant_answer(self, path: str, answer: Answer) -> None:
        """Answer every request to a path so."""
        self.shelf.planted[path] = answer

    def downloads(self) -> list[str]:
        """The paths of the files that were fetched (GET), in order, with repeats."""
        return [r.path for r in self.requests if r.method == "GET" and "/resolve/" in r.path]

    def record(self, request: Request) -> None:
        """Log a request."""
        with self._lock:
            self.requests.append(request)
            if self.log is not None:
                with self.log.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(request._asdict()) + "\n")


class _Server(ThreadingHTTPServer):
    # Clients keep connections open; their threads must not hold up the end of a test.
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """The hub keeps its own log."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query),
            body=body,
            span=self.headers.get("Range", ""),
            origin=self.server.hub.endpoint,
        )
        authorization = self.headers.get("Authorization", "")
        reply = answer(self.server.hub.shelf, call, authorization)
        # Logged first: a client that has its answer may ask the test for the log at once.
        sent = b"" if self.command == "HEAD" else reply.body[: reply.cut]
        request = Request(
            self.command, unquote(parts.path), reply.status, len(sent), bool(authorization)
        )
        self.server.hub.record(request)
        self._send(reply, sent)

    def _send(self, reply: Answer, sent: bytes) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        with suppress(ConnectionError):  # a client need not read all of it
            for _ in range(reply.times):
                self.wfile.write(sent)
        if reply.cut is not None or not reply.length:
            self.close_connection = True
        if reply.reset:
            self._reset()

    def _reset(self) -> None:
        """Close at once with a reset, once what was sent has gone out."""
        self.wfile.flush()
        time.sleep(0.2)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
