"""A hub, or a repository on it, that means harm or is broken: refused in words, and bounded.

Each scene is a repository of its own; one process of the unmodified client tries them all.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hub.answers import Answer
from hub.server import Hub

ROOT = Path(__file__).parents[2]
TOKEN = "hf_thisIsTheSecretOfTheTests"
JSON = {"Content-Type": "application/json"}

#: Downloads step 1 of each repository into a folder of its own. Waits are counted, not waited for,
#: and limits are small.
PROGRAM = """
import json, sys, time
from pathlib import Path
waited = []
time.sleep = waited.append
from tuning_dynamics.checkpoints.download import download
from tuning_dynamics.checkpoints.listing import Listing
from tuning_dynamics.common import hub_client
from tuning_dynamics.common.errors import StudyError
hub_client.MOST_BYTES, hub_client.MOST_PACKED, hub_client.MOST_PACKED_FILE = 1 << 22, 2000, 2000
home = Path(sys.argv[1])
for name in json.loads(sys.argv[2]):
    waited.clear()
    output = home / "records" / name / "download.json"
    spec = {"source": "hub", "repo": f"tiny/{name}", "revision": "step{step}"}
    try:
        download(
            name,
            json.dumps({**spec, "tokens_per_step": 1}),
            1,
            others=json.dumps({"checkpoints": {"steps": [1]}}),
            listing=Listing(home / "listing" / name),
            output=str(output),
        )
        said = ""
    except StudyError as error:
        said = str(error)
    print("SAID", json.dumps([name, said, sum(waited)]), flush=True)
"""


@dataclass(frozen=True)
class Place:
    """A scene's repository: the paths of its API, its files' and its commit."""

    hub: Hub
    name: str

    @property
    def commit(self) -> str:
        return self.hub.commit("model", f"tiny/{self.name}", "step1")

    @property
    def refs(self) -> str:
        return f"/api/models/tiny/{self.name}/refs"

    @property
    def tree(self) -> str:
        return f"/api/models/tiny/{self.name}/tree/{self.commit}"

    @property
    def config(self) -> str:
        return f"/tiny/{self.name}/resolve/{self.commit}/config.json"


@dataclass(frozen=True)
class Scene:
    """What a hub does, and what is said of it; no words where it must succeed."""

    says: list[str]
    plant: Callable[[Place], None] = lambda _: None
    files: dict[str, bytes] = field(default_factory=dict)
    most_waited: float = 60


def answer(path: str, reply: Answer) -> Callable[[Place], None]:
    """Plant an answer on a path of a scene's repository."""
    return lambda place: place.hub.plant_answer(getattr(place, path), reply)


def as_json(content: Any) -> Answer:
    return Answer(200, JSON, json.dumps(content).encode())


def refs_at(commit: Any) -> Answer:
    branch = {"name": "step1", "ref": "refs/heads/step1", "targetCommit": commit}
    return as_json({"branches": [branch], "tags": [], "converts": []})


def tree_of(*paths: str, **entry: Any) -> Answer:
    described = {"type": "file", "size": 5, "oid": "a" * 40, **entry}
    return as_json([{**described, "path": path} for path in paths])


def file_answer(headers: dict[str, str], body: bytes = b"{}", **more: Any) -> Answer:
    return Answer(200, {"ETag": '"x"', "X-Repo-Commit": "a" * 40, **headers}, body, **more)


def moved(status: int, target: str) -> Answer:
    return Answer(status, {"Location": target})


ESCAPES = (
    "../../etc/passwd",
    "/etc/passwd",
    "..\\config.json",
    "sub/../../model.safetensors",
    "model\n.safetensors",
    "model\0.safetensors",
    "model..\\..\\evil.safetensors",
    f"model{'x' * 300}.safetensors",
    "model*.safetensors",
    "Model.safetensors",
    "CONFIG.JSON",
)
PAGE = Answer(200, {"Content-Type": "text/html"}, b"<html>Log in</html>")
SPACES = b" " * (1 << 20)
BOMB = gzip.compress(b" " * (1 << 24))
PACKED = {"Content-Encoding": "gzip"}
PATIENT = {"Retry-After": "1000000"}
SCENES: dict[str, Scene] = {
    "good": Scene([]),
    "no_length": Scene(
        ["no ref of tiny/no_length matches"],
        answer("refs", Answer(200, JSON, b'{"branches":[],"tags":[],"converts":[]}', length=False)),
    ),
    # Answers that are no answers.
    "page_of_refs": Scene(
        ["not a hub's", "tiny/page_of_refs", "HF_ENDPOINT"], answer("refs", PAGE)
    ),
    "page_of_files": Scene(["not a hub's", "step1"], answer("tree", PAGE)),
    "nested_refs": Scene(["not a hub's"], answer("refs", Answer(200, JSON, b"[" * 200_000))),
    "other_types": Scene(["not a hub's"], answer("refs", as_json({"branches": 3, "tags": []}))),
    "list_of_refs": Scene(["not a hub's"], answer("refs", as_json([1]))),
    "file_without_path": Scene(["not a hub's"], answer("tree", as_json([{"type": "file"}]))),
    "digest_of_text": Scene(
        ["not a hub's", "git:y"], answer("tree", tree_of("config.json", oid="y"))
    ),
    "size_of_text": Scene(["not a hub's", "-5"], answer("tree", tree_of("config.json", size=-5))),
    # Names that lead elsewhere.
    "commit_elsewhere": Scene(["not a hub's", "../evil"], answer("refs", refs_at("../../../evil"))),
    "commit_of_number": Scene(["not a hub's", "7"], answer("refs", refs_at(7))),
    "names_elsewhere": Scene(
        ["has no weights", "config.json"], answer("tree", tree_of("config.json", *ESCAPES))
    ),
    "digest_elsewhere": Scene(
        ["the hub's ETag is a path"],
        answer("config", file_answer({"ETag": '"../../../../evil"'})),
    ),
    "linked_elsewhere": Scene(
        ["the hub's X-Linked-ETag is a path"],
        answer("config", file_answer({"X-Linked-ETag": '"../../../../evil"'})),
    ),
    "filed_elsewhere": Scene(
        ["the hub's X-Repo-Commit is a path"],
        answer("config", file_answer({"X-Repo-Commit": "../../../evil"})),
    ),
    # Access.
    "unauthorised": Scene(["401", "HF_TOKEN"], answer("refs", Answer(401, {}, b"{}"))),
    "forbidden": Scene(["403", "HF_TOKEN"], answer("refs", Answer(403, {}, b"{}"))),
    "gated": Scene(
        ["gated", "needs its licence accepted"],
        answer("refs", Answer(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})),
    ),
    "absent": Scene(["404", "check the name"], answer("refs", Answer(404, {}, b"{}"))),
    "commit_gone": Scene(["404", "step1"], answer("tree", Answer(404, {}, b"{}"))),
    # Busy, and for how long.
    "failing": Scene(["500"], answer("refs", Answer(500, PATIENT, b"{}"))),
    "closed": Scene(["503"], answer("refs", Answer(503, PATIENT, b"{}"))),
    "busy": Scene(["429"], answer("tree", Answer(429, PATIENT, b"{}")), most_waited=8000),
    "limited": Scene(
        ["429"],
        answer("tree", Answer(429, {"RateLimit": '"api";r=0;t=1000000'}, b"{}")),
        most_waited=8000,
    ),
    "busy_file": Scene(["429"], answer("config", Answer(429, PATIENT, b"{}")), most_waited=8000),
    # Redirections. `AWAY` is another host.
    "refs_away": Scene(["not a hub's"], answer("refs", moved(302, "AWAY"))),
    "file_away": Scene(["X-Repo-Commit"], answer("config", moved(302, "AWAY"))),
    "refs_of_disk": Scene(
        ["unsupported protocol"], answer("refs", moved(302, "file:///etc/passwd"))
    ),
    "file_of_disk": Scene(
        ["cannot be downloaded"], answer("config", moved(302, "file:///etc/passwd"))
    ),
    "circle": Scene(["redirects"], answer("refs", moved(302, "/api/models/tiny/circle/refs"))),
    # Without end.
    "endless": Scene(
        ["too long"], answer("refs", Answer(200, JSON, SPACES, length=False, times=99))
    ),
    "endless_file": Scene(
        ["too long"], answer("config", file_answer({}, SPACES, length=False, times=99))
    ),
    "bomb": Scene(["too long"], answer("refs", Answer(200, {**JSON, **PACKED}, BOMB))),
    "bomb_of_a_file": Scene(["too long"], answer("config", file_answer(PACKED, BOMB))),
    # Files that are not what their names say; they have the digests that the hub gives.
    "nested_config": Scene(["no JSON", "config.json"], files={"config.json": b'{"a":' * 100_000}),
    "page_as_config": Scene(["no JSON", "config.json"], files={"config.json": b"<html>"}),
    "list_as_config": Scene(["keys and values"], files={"config.json": b"[1]"}),
    "cut_tokenizer": Scene(["no JSON", "tokenizer.json"], files={"tokenizer.json": b'{"model": {'}),
    "huge_tokenizer": Scene(
        ["can't be used", "2,000 MB"],
        answer("tree", tree_of("model.safetensors", "tokenizer.json", size=2_000_000_000)),
    ),
    "pickles": Scene(
        ["only pickled weights"], files={"pytorch_model.bin": b"x", "model.safetensors": b""}
    ),
}


class Away(BaseHTTPRequestHandler):
    """Another host, which notes who sends it a token."""

    tokens: list[str | None]

    def do_GET(self) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@dataclass(frozen=True)
class Tried:
    """What was said of each scene, with the seconds that were waited; all that was printed; the
    folder that everything was written to; and the tokens that another host was sent."""

    said: dict[str, tuple[str, float]]
    printed: str
    folder: Path
    tokens: list[str | None]


def published(hub: Hub, folder: Path, name: str, scene: Scene) -> Place:
    """A scene's repository on a hub."""
    files = {"config.json": b"{}", "model.safetensors": name.encode(), "tokenizer.json": b"{}"}
    source = folder / "files" / name
    source.mkdir(parents=True)
    for file, content in {**files, **scene.files}.items():
        if content:
            (source / file).write_bytes(content)
    hub.add_revision("model", f"tiny/{name}", "step1", source)
    return Place(hub, name)


def tried(hub: Hub, folder: Path, names: list[str], **variables: str) -> tuple[dict[str, Any], str]:
    """What a process says of scenes, and all that it printed."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), json.dumps(names)],
        env={
            **os.environ,
            **hub.environment(folder),
            "PYTHONPATH": str(ROOT / "workflow/scripts"),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("SAID ")]
    said = {name: (text, waited) for name, text, waited in map(json.loads, (x[5:] for x in lines))}
    return said, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """All scenes, tried once."""
    folder = tmp_path_factory.mktemp("hostile")
    handler = type("Noting", (Away,), {"tokens": []})
    with (
        Hub(folder / "repositories", token=TOKEN) as hub,
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as away,
    ):
        Thread(target=partial(away.serve_forever, 0.05), daemon=True).start()
        for name, scene in SCENES.items():
            scene.plant(published(hub, folder, name, scene))
        for path, reply in list(hub.shelf.planted.items()):
            if reply.headers.get("Location") == "AWAY":
                target = f"http://localhost:{away.server_address[1]}/away"
                hub.plant_answer(path, moved(302, target))
        said, printed = tried(hub, folder / "home", list(SCENES))
        yield Tried(said, printed, folder, handler.tokens)
        away.shutdown()


@pytest.mark.parametrize("name", SCENES)
def test_it_is_refused_in_words_and_in_time(scenes: Tried, name: str) -> None:
    said, waited = scenes.said[name]
    scene = SCENES[name]
    assert bool(said) == bool(scene.says), said
    assert len(said.splitlines()) <= 8
    for text in [*scene.says, *(["  file:", "  key:", "  value:", "  fix:"] if said else [])]:
        assert text in said, said
    assert waited <= scene.most_waited
    record = scenes.folder / "home/records" / name / "download.json"
    assert record.is_file() == (not said)


def test_nothing_is_written_outside_the_cache(scenes: Tried) -> None:
    assert not list(scenes.folder.rglob("*evil*"))
    assert {path.name for path in scenes.folder.iterdir()} == {"repositories", "files", "home"}


def test_no_token_leaves_the_hub(scenes: Tried) -> None:
    assert scenes.tokens
    assert set(scenes.tokens) == {None}
    assert_nowhere(TOKEN, scenes.folder / "home", scenes.printed)


def assert_nowhere(secret: str, folder: Path, printed: str) -> None:
    """A secret is in no file of a folder, in no file's name, and was not printed."""
    assert secret not in printed
    for path in folder.rglob("*"):
        assert secret not in str(path)
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_a_password_in_the_endpoint_is_nowhere(tmp_path: Path) -> None:
    names = ["good", "page_of_refs", "commit_gone", "failing", "busy_file", "names_elsewhere"]
    with Hub(tmp_path / "repositories") as hub:
        for name in names:
            SCENES[name].plant(published(hub, tmp_path, name, SCENES[name]))
        endpoint = hub.endpoint.replace("://", "://someone:passw0rd@")
        variables = {"HF_ENDPOINT": endpoint, "HF_TOKEN": TOKEN}
        said, printed = tried(hub, tmp_path / "home", names, **variables)
    assert [name for name, (text, _) in said.items() if not text] == ["good"]
    for secret in ("passw0rd", TOKEN):
        assert_nowhere(secret, tmp_path / "home", printed)


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("nowhere", "unsupported protocol|missing an 'http"),
        ("file:///etc", "unsupported protocol|missing an 'http"),
        ("http://127.0.0.1:1", "refused|Connect"),
    ],
)
def test_an_endpoint_that_is_no_hub_is_said(tmp_path: Path, endpoint: str, says: str) -> None:
    with Hub(tmp_path / "repositories") as hub:
        said, _ = tried(hub, tmp_path / "home", ["good"], HF_ENDPOINT=endpoint)
    text, waited = said["good"]
    assert re.search(says, text), text
    assert "HF_ENDPOINT" in text
    assert waited <= 60


def test_a_link_out_of_the_cache_is_neither_used_nor_removed(tmp_path: Path) -> None:
    kept = tmp_path / "mine.json"
    kept.write_text("{}")
    with Hub(tmp_path / "repositories") as hub:
        place = published(hub, tmp_path, "good", SCENES["good"])
        tried(hub, tmp_path / "home", ["good"])
        snapshots = tmp_path / "home/hub/models--tiny--good/snapshots"
        link = snapshots / place.commit / "config.json"
        link.unlink()
        link.symlink_to(kept)
        said, _ = tried(hub, tmp_path / "home", ["good"])[0]["good"]
    assert "a link to a file elsewhere" in said
    assert str(kept) in said
    assert kept.read_text() == "{}"


def test_the_listed_commit_is_downloaded_wherever_its_branch_is(tmp_path: Path) -> None:
    """A branch moves after a run listed it, and before it downloads; then the commit is gone."""
    run = {"TUNING_DYNAMICS_RUN": "one"}
    record = tmp_path / "home/records/good/download.json"
    with Hub(tmp_path / "repositories") as hub:
        place = published(hub, tmp_path, "good", SCENES["good"])
        listed, refs = place.commit, hub.shelf.repositories["model", "tiny/good"].revisions
        hub.plant_answer(place.config, Answer(404, {}))
        assert "404" in tried(hub, tmp_path / "home", ["good"], **run)[0]["good"][0]
        hub.shelf.planted.clear()
        hub.add_revision("model", "tiny/good", "other", tmp_path / "files")
        refs["refs/tags/former"] = refs["refs/heads/step1"]
        refs["refs/heads/step1"] = refs.pop("refs/heads/other")
        assert tried(hub, tmp_path / "home", ["good"], **run)[0]["good"][0] == ""
        assert json.loads(record.read_text(encoding="utf-8"))["commit"] == listed
        del refs["refs/tags/former"]
        shutil.rmtree(tmp_path / "home/hub")
        record.unlink()
        said = tried(hub, tmp_path / "home", ["good"], **run)[0]["good"][0]
    assert f"Invalid rev id: {listed}" in said
    assert not record.exists()
