"""The hub of the tests, seen by the clients that the workflow uses, unmodified.

What the clients retry by themselves and what they raise is pinned down here too: the workflow's
own patience with a hub is built on it.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hub import answers
from hub.models import MISSING_KEY, NEVER, publish_models
from hub.rows import CONFIGS, CONVERTED, Config, publish_datasets, split_rows
from hub.server import Hub

#: In a client's process: `show(name, call)` prints what a call gave or raised. Waits are skipped.
PRELUDE = """
import json, os, sys, tempfile, time
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
time.sleep = lambda seconds: None
def fetch(repo, revision, *files):
    cache = tempfile.mkdtemp(dir=os.environ["HF_HOME"])
    return snapshot_download(repo, revision=revision, allow_patterns=list(files), cache_dir=cache)
def show(name, call):
    try:
        shown = call()
    except Exception as error:
        shown = {"raised": type(error).__name__, "is": [k.__name__ for k in type(error).__mro__]}
    print(json.dumps([name, shown]))
given = json.loads(sys.argv[1])
"""
WEIGHTS = "model.safetensors"
#: Steps of tiny/olmo.
OLMO = (0, 10, 15, 20, 22, 25, 30)


def client(hub: Hub, home: Path, program: str, given: Any = None, **variables: str) -> Any:
    """What a client's process showed, by name."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, json.dumps(given)],
        env={**os.environ, **hub.environment(home), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models and the datasets, as a hub keeps them. Not to be changed."""
    hub = Hub(tmp_path_factory.mktemp("hub"))
    publish_models(hub)
    publish_datasets(hub)
    return hub.root


@pytest.fixture
def hub(root: Path, tmp_path: Path) -> Iterator[Hub]:
    """A hub of the tiny models and datasets without faults; it keeps a log file."""
    with Hub(root, log=tmp_path / "requests.jsonl") as hub:
        yield hub


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Hub]:
    """A hub of one repository, a/b, with a config and weights of 1,000 bytes."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / WEIGHTS).write_bytes(random.Random(0).randbytes(1000))
    with Hub(tmp_path / "repositories") as hub:
        hub.add_revision("model", "a/b", "main", folder)
        hub.add_revision("model", "a/b", "refs/tags/v1", folder)
        yield hub


def statuses(hub: Hub, file: str, method: str = "GET") -> list[int]:
    return [r.status for r in hub.requests if r.method == method and r.path.endswith(f"/{file}")]


def test_revisions_are_listed_as_on_the_hub(hub: Hub, tmp_path: Path) -> None:
    program = """
def refs(repo, kind):
    found = HfApi().list_repo_refs(repo, repo_type=kind)
    groups = {"branches": found.branches, "tags": found.tags, "converts": found.converts}
    return {name: {ref.name: ref.target_commit for ref in group} for name, group in groups.items()}
show("olmo", lambda: refs("tiny/olmo", "model"))
show("xsum", lambda: refs("EdinburghNLP/xsum", "dataset"))
"""
    shown = client(hub, tmp_path / "home", program)
    names = {"main", *(f"step{step}-tokens{step // 10}B" for step in OLMO)}
    assert set(shown["olmo"]["branches"]) == names
    assert shown["olmo"]["branches"]["main"] == hub.commit("model", "tiny/olmo", "main")
    assert shown["olmo"]["tags"] == shown["olmo"]["converts"] == {}
    commit = hub.commit("dataset", "EdinburghNLP/xsum", CONVERTED)
    assert shown["xsum"]["converts"] == {"parquet": commit}


def test_a_repository_is_described_with_digests_and_sizes(small: Hub, tmp_path: Path) -> None:
    program = """
def files(found):
    return {f.path: [f.size, f.blob_id, f.lfs.sha256 if f.lfs else None] for f in found}
show("tree", lambda: files(HfApi().list_repo_tree("a/b", recursive=True, expand=True)))
show("paths", lambda: files(HfApi().get_paths_info("a/b", ["model.safetensors", "absent"])))
show("info", lambda: {
    s.rfilename: [s.size, s.blob_id, s.lfs.sha256 if s.lfs else None]
    for s in HfApi().model_info("a/b", revision="v1", files_metadata=True).siblings
})
"""
    shown = client(small, tmp_path / "home", program)
    content = random.Random(0).randbytes(1000)
    size, _, sha256 = shown["tree"][WEIGHTS]
    assert (size, sha256) == (1000, hashlib.sha256(content).hexdigest())
    empty = hashlib.sha1(b"blob 2\0{}").hexdigest()
    assert shown["tree"]["config.json"] == [2, empty, None]
    assert shown["info"] == shown["tree"]
    assert shown["paths"] == {WEIGHTS: shown["tree"][WEIGHTS]}


def test_a_long_tree_comes_in_pages(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PAGE", 3)
    program = """
show("paths", lambda: sorted(f.path for f in HfApi().list_repo_tree("tiny/olmo", recursive=True)))
"""
    shown = client(hub, tmp_path / "home", program)
    files = hub.shelf.find("model", "tiny/olmo", "main").files
    assert shown["paths"] == sorted([*files, "onnx"])
    assert len(hub.requests) == 5


def test_a_pinned_download_asks_for_allowed_files_only_and_once(hub: Hub, tmp_path: Path) -> None:
    commit = hub.commit("model", "tiny/olmo", "step20-tokens2B")
    program = """
def download():
    patterns = ["*.json", "*.safetensors"]
    folder = snapshot_download("tiny/olmo", revision=given, allow_patterns=patterns)
    return {name: os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)}
show("first", download)
show("again", download)
"""
    shown = client(hub, tmp_path / "home", program, commit)
    files = hub.shelf.find("model", "tiny/olmo", commit).files
    allowed = {path for path in files if path.endswith((".json", ".safetensors"))}
    assert shown["first"] == shown["again"] == {path: files[path].size for path in allowed}
    asked = Counter(path.removeprefix(f"/tiny/olmo/resolve/{commit}/") for path in hub.downloads())
    assert asked == Counter(allowed)
    assert not allowed & set(NEVER)
    # The tree, then HEAD and GET of each file; the second call asks for nothing.
    assert len(hub.requests) == 1 + 2 * len(allowed)


def test_every_request_is_in_the_log_file(hub: Hub, tmp_path: Path) -> None:
    client(hub, tmp_path / "home", 'show("x", lambda: fetch("tiny/neox", "main", "config.json"))')
    lines = (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == list(map(tuple, hub.requests))
    size = hub.shelf.find("model", "tiny/neox", "main").files["config.json"].size
    last = json.loads(lines[-1])
    assert (last["method"], last["status"], last["bytes"]) == ("GET", 200, size)


def test_a_large_download_that_breaks_off_is_continued(tmp_path: Path) -> None:
    # The client writes in steps of 10 MiB, and continues behind the last whole one.
    content = random.Random(1).randbytes(24_000_000)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / WEIGHTS).write_bytes(content)
    program = """
import hashlib
def digest(folder):
    with open(f"{folder}/model.safetensors", "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
show("digest", lambda: digest(fetch("a/big", "main", "*")))
"""
    with Hub(tmp_path / "repositories") as hub:
        hub.add_revision("model", "a/big", "main", tmp_path / "files")
        hub.plant("truncate_once", "model", "a/big", "main", WEIGHTS)
        shown = client(hub, tmp_path / "home", program)
    assert shown["digest"] == hashlib.sha256(content).hexdigest()
    sent = [(r.status, r.bytes) for r in hub.requests if r.method == "GET" and "resolve" in r.path]
    assert sent == [(200, 12_000_000), (206, 24_000_000 - 10 * 2**20)]


@pytest.mark.parametrize(
    ("fault", "method", "raised", "seen"),
    [
        ("truncate_once", "GET", None, [200, 200]),
        ("truncate_always", "GET", "RemoteProtocolError", [200] * 6),
        ("reset_once", "GET", "ReadError", [200]),
        ("busy_once", "GET", None, [429, 200]),
        ("busy_always", "GET", "HfHubHTTPError", [429] * 6),
        ("server_error_once", "GET", "HfHubHTTPError", [503]),
        ("busy_once", "HEAD", None, [429, 200]),
        ("server_error_once", "HEAD", None, [503, 200]),
        ("server_error_always", "HEAD", "LocalEntryNotFoundError", [503] * 7),
        ("not_found", "*", "RemoteEntryNotFoundError", []),
        ("corrupt", "GET", None, [200]),
    ],
)
def test_what_a_download_makes_of_a_fault(
    small: Hub, tmp_path: Path, fault: Any, method: str, raised: str | None, seen: list[int]
) -> None:
    small.plant(fault, "model", "a/b", "main", WEIGHTS, method)
    commit = small.commit("model", "a/b", "main")
    program = 'show("folder", lambda: fetch("a/b", given, "*"))'
    shown = client(small, tmp_path / "home", program, commit)["folder"]
    assert statuses(small, WEIGHTS, "GET" if method == "*" else method) == seen
    if raised is not None:
        assert shown["raised"] == raised
        # Transport errors are neither the hub client's nor the system's.
        assert ("OSError" in shown["is"]) == (raised not in ("RemoteProtocolError", "ReadError"))
        assert "HTTPError" in shown["is"] or raised == "LocalEntryNotFoundError"
        return
    content = (Path(shown) / WEIGHTS).read_bytes()
    assert len(content) == 1000
    # A client compares lengths only: wrong bytes pass.
    assert (content == random.Random(0).randbytes(1000)) == (fault != "corrupt")


def test_which_calls_of_the_api_are_tried_again(small: Hub, tmp_path: Path) -> None:
    calls = {
        "refs": ("GET", "/api/models/a/b/refs"),
        "info": ("GET", "/api/models/a/b/revision/main"),
        "paths": ("POST", "/api/models/a/b/paths-info/main"),
        "tree": ("GET", "/api/models/a/b/tree/main"),
    }
    for method, path in calls.values():
        small.plant_on_call("busy_once", path, method)
    program = """
api = HfApi()
show("refs", lambda: bool(api.list_repo_refs("a/b")))
show("info", lambda: bool(api.model_info("a/b", revision="main")))
show("paths", lambda: bool(api.get_paths_info("a/b", ["config.json"], revision="main")))
show("tree", lambda: bool(list(api.list_repo_tree("a/b", revision="main"))))
"""
    shown = client(small, tmp_path / "home", program)
    assert shown.pop("tree") is True
    assert {name: answer["raised"] for name, answer in shown.items()} == dict.fromkeys(
        ("refs", "info", "paths"), "HfHubHTTPError"
    )
    small.plant_on_call("busy_once", "/api/models/a/b/revision/main")
    by_name = 'show("folder", lambda: fetch("a/b", "main", "*"))'
    shown = client(small, tmp_path / "home", by_name)
    assert shown["folder"]["raised"] == "LocalEntryNotFoundError"


def test_what_is_absent_has_an_error_of_its_own(small: Hub, tmp_path: Path) -> None:
    program = """
api = HfApi()
show("repository", lambda: api.list_repo_refs("a/c"))
show("repository of files", lambda: fetch("a/c", "main", "*"))
show("revision", lambda: fetch("a/b", "v2", "*"))
show("commit", lambda: fetch("a/b", "0" * 40, "*"))
show("file", lambda: hf_hub_download("a/b", "absent.json"))
"""
    shown = client(small, tmp_path / "home", program)
    assert {name: answer["raised"] for name, answer in shown.items()} == {
        "repository": "RepositoryNotFoundError",
        "repository of files": "RepositoryNotFoundError",
        "revision": "RevisionNotFoundError",
        "commit": "RevisionNotFoundError",
        "file": "RemoteEntryNotFoundError",
    }


def test_a_hub_with_a_token_serves_those_who_have_it(root: Path, tmp_path: Path) -> None:
    program = 'show("it", lambda: bool(fetch("tiny/neox", "main", "config.json")))'
    with Hub(root, token="hf_secret") as hub:
        assert client(hub, tmp_path / "a", program)["it"] is True
        assert all(request.had_authorization for request in hub.requests)
        stranger = client(hub, tmp_path / "b", program, HF_TOKEN="")
        assert stranger["it"]["raised"] == "RepositoryNotFoundError"
        assert not hub.requests[-1].had_authorization
        wrong = client(hub, tmp_path / "c", program, HF_TOKEN="hf_other")
        assert wrong["it"]["raised"] == "HfHubHTTPError"
        assert hub.requests[-1].status == 401


LOAD = """
from datasets import ClassLabel, load_dataset
def features(loaded):
    return {
        name: kind.names if isinstance(kind, ClassLabel) else str(kind)
        for name, kind in loaded.items()
    }
def load(repo, config, **more):
    splits = load_dataset(repo, config, **more)
    first = next(iter(splits.values()))
    return {
        "rows": {name: list(split) for name, split in splits.items()},
        "features": features(first.features),
    }
for at in given:
    show(f"{at['repo']} {at['config']}", lambda: load(**at))
"""


def asked(config: Config, **more: Any) -> dict[str, Any]:
    """The arguments that load a config."""
    if config.main:
        return {"repo": config.repo, "config": config.name, **more}
    place = {"revision": CONVERTED, "data_dir": config.name}
    return {"repo": config.repo, "config": None, **place, **more}


def rows_of(config: Config) -> dict[str, list[dict[str, Any]]]:
    return {split: split_rows(config, split) for split in config.splits}


def test_every_dataset_loads_with_its_schema_and_but_once(hub: Hub, tmp_path: Path) -> None:
    given = [asked(config) for config in CONFIGS]
    shown = client(hub, tmp_path / "home", LOAD, given)
    for config, at in zip(CONFIGS, given, strict=True):
        loaded = shown[f"{at['repo']} {at['config']}"]
        assert list(loaded["features"]) == list(config.columns)
        for name, kind in config.columns.items():
            assert not isinstance(kind, tuple) or loaded["features"][name] == list(kind)
        assert loaded["rows"] == rows_of(config)
    count = len(hub.downloads())
    assert client(hub, tmp_path / "home", LOAD, given) == shown
    assert len(hub.downloads()) == count


def test_dialogues_are_streamed(hub: Hub, tmp_path: Path) -> None:
    tulu = [config for config in CONFIGS if "tulu" in config.repo]
    given = [asked(config, streaming=True) for config in tulu]
    shown = client(hub, tmp_path / "home", LOAD, given)
    for config in tulu:
        assert shown[f"{config.repo} default"]["rows"] == rows_of(config)
    sent = [r.status for r in hub.requests if r.method == "GET" and r.path.endswith(".parquet")]
    assert set(sent) == {206}
    assert not list((tmp_path / "home").rglob("*.arrow"))


def test_a_repository_with_a_script_does_not_load(hub: Hub, tmp_path: Path) -> None:
    given = [{"repo": "EdinburghNLP/xsum", "config": None}]
    shown = client(hub, tmp_path / "home", LOAD, given)
    assert shown["EdinburghNLP/xsum None"]["raised"] == "RuntimeError"


def test_faults_of_dataset_files_raise_or_not(hub: Hub, tmp_path: Path) -> None:
    file = "data/validation-00000-of-00001.parquet"
    given = [{"repo": "google/boolq", "config": "default"}]
    seen = {}
    for fault in ("truncate_once", "busy_once", "server_error_once", "reset_once", "corrupt"):
        hub.plant(fault, "dataset", "google/boolq", "main", file)
        shown = client(hub, tmp_path / fault, LOAD, given)["google/boolq default"]
        hub.shelf.faults.clear()
        seen[fault] = shown.get("raised")
    assert seen == {
        "truncate_once": None,
        "busy_once": None,
        "server_error_once": "HfHubHTTPError",
        "reset_once": "ReadError",
        "corrupt": "DatasetGenerationError",
    }


def content_of(row: dict[str, Any]) -> str:
    """A row without its names and labels."""
    names = {"id", "idx", "guid", "qid", "url", "ind", "label", "split", "source_id", "answerKey"}
    return json.dumps({key: value for key, value in row.items() if key not in names})


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.repo} {config.name}")
def test_rows_are_many_differ_and_hide_test_labels(config: Config) -> None:
    splits = rows_of(config)
    every = [content_of(row) for rows in splits.values() for row in rows]
    assert len(set(every)) == len(every)
    assert len(splits["train"]) >= 60
    assert all(len(rows) >= 24 for rows in splits.values())
    if "label" in config.columns:
        counts = Counter(row["label"] for row in splits["train"])
        assert len(set(counts.values())) == 1
    for split, rows in splits.items():
        if config.repo == "nyu-mll/glue":
            assert ({row["label"] for row in rows} == {-1}) == split.startswith("test")


def of(repo: str, name: str, split: str) -> list[dict[str, Any]]:
    found = next(config for config in CONFIGS if (config.repo, config.name) == (repo, name))
    return split_rows(found, split)


def test_odd_rows_of_the_real_sets_are_there() -> None:
    for repo, name, text in (
        ("EdinburghNLP/xsum", "default", "document"),
        ("abisee/cnn_dailymail", "3.0.0", "article"),
    ):
        lengths = [len(row[text].split()) for row in of(repo, name, "test")]
        assert sum(length > 600 for length in lengths) == 3
    easy = of("allenai/ai2_arc", "ARC-Easy", "train")
    assert {len(row["choices"]["label"]) for row in easy} == {3, 4, 5}
    assert {row["choices"]["label"][0] for row in easy} == {"1", "A"}
    assert all(row["answerKey"] in row["choices"]["label"] for row in easy)
    marked = [row for row in of("Rowan/hellaswag", "default", "validation") if not row["ctx_b"]]
    assert all("[header]" in row["ctx"] and "  " in row["ctx"] for row in marked)
    assert {row["label"] for row in of("Rowan/hellaswag", "default", "test")} == {""}
    assert any(not row["support"] for row in of("allenai/sciq", "default", "test"))
    assert not any(row["Answer"] for row in of("ucsbnlp/tweet_qa", "default", "test"))
    dialogues = [row["messages"] for row in of("allenai/tulu-v2-sft-mixture", "default", "train")]
    assert {messages[0]["role"] for messages in dialogues} == {"system", "user"}
    assert max(map(len, dialogues)) > 4


def weights(hub: Hub, repo: str, revision: str) -> str | None:
    return hub.shelf.find("model", repo, revision).files[WEIGHTS].sha256


def test_models_have_the_faults_that_they_should(root: Path) -> None:
    hub = Hub(root)
    olmo = {step: weights(hub, "tiny/olmo", f"step{step}-tokens{step // 10}B") for step in OLMO}
    assert olmo[15] == olmo[10]
    assert olmo[25] == olmo[30] == weights(hub, "tiny/olmo", "main")
    assert len(set(olmo.values())) == len(OLMO) - 2
    files = {n: hub.shelf.find("model", "tiny/neox", f"step{n}").files[WEIGHTS] for n in (10, 15)}
    keys = {n: set(load_file(file.location)) for n, file in files.items()}
    assert keys[10] - keys[15] == {MISSING_KEY}
    pickled = hub.shelf.find("model", "tiny/pickled", "step10").files
    assert not any(path.endswith(".safetensors") for path in pickled)
    state = torch.load(pickled["pytorch_model.bin"].location, weights_only=True)
    assert set(state) == keys[10]


def test_a_hub_is_the_same_when_built_or_opened_again(root: Path, tmp_path: Path) -> None:
    built = Hub(tmp_path)
    publish_datasets(built)
    opened = Hub(root)
    for place, repository in built.shelf.repositories.items():
        again = opened.shelf.repositories[place]
        commits = {ref: revision.commit for ref, revision in repository.revisions.items()}
        assert commits == {ref: revision.commit for ref, revision in again.revisions.items()}
        assert all(len(commit) == 40 for commit in commits.values())


def test_a_fault_needs_a_known_name_and_file(small: Hub) -> None:
    with pytest.raises(ValueError, match="no fault"):
        small.plant("slow", "model", "a/b", "main", WEIGHTS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot have"):
        small.plant_on_call("corrupt", "/api/models/a/b/refs")
    with pytest.raises(AssertionError):
        small.plant("corrupt", "model", "a/b", "main", "absent")
