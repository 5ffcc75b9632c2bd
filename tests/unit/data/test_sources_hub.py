"""Datasets of a hub: pinned to a commit, patient with a busy hub, silent about tokens."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub.server import Hub

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.data.items import read_items

ROOT = Path(__file__).parents[3]
REPO, TOKEN = "made/talks", "hf_" + "s" * 30

#: A client reads its endpoint when it is imported, so each freeze is a process of its own.
CODE = """
import json, sys
from tuning_dynamics.data.freeze import freeze_from_spec
from tuning_dynamics.common.errors import StudyError
try:
    freeze_from_spec("x", json.loads(sys.argv[1]), None, sys.argv[2], sys.argv[3])
except StudyError as error:
    sys.exit(str(error))
"""


def talks(count: int, answer: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"t{n}",
            "messages": [
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": answer},
            ],
        }
        for n in range(count)
    ]


def published(folder: Path, rows: list[dict[str, Any]], place: str = "data") -> Path:
    """The folder of a dataset repository with one training file."""
    (folder / place).mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / place / "train-00000-of-00001.parquet")
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    with Hub(tmp_path / "hub") as hub:
        hub.add_revision("dataset", REPO, "main", published(tmp_path / "main", talks(40, "first")))
        yield hub


def freeze(hub: Hub, folder: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Freeze the set of the hub in a process of its own; `changes` to the key source.hub."""
    changes = dict(changes)
    environment = {**os.environ, **hub.environment(folder / "home"), **changes.pop("env", {})}
    environment["PYTHONPATH"] = str(ROOT / "workflow" / "scripts")
    source = {"hub": {"id": REPO, "splits": {"train": "train"}, **changes}}
    dataset = {"task": "instruction", "domain": "x", "licence": "x", "messages": "messages"}
    spec = {"kind": "instruction", "seed": 0, "train_items": "all", "evaluation_items": None}
    spec |= {"dataset": {**dataset, "id_field": "id", "source": source}}
    paths = [str(folder / "items.parquet"), str(folder / "manifest.json")]
    return subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(spec), *paths],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def answers(folder: Path) -> set[str]:
    items = read_items(folder / "items.parquet", "train")
    return {item.messages[1]["content"] for item in items}


def test_the_default_branch_is_resolved_to_its_commit(hub: Hub, tmp_path: Path) -> None:
    done = freeze(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    commit = hub.commit("dataset", REPO, "main")
    assert read_json(tmp_path / "manifest.json")["hub"] == {
        "repo": REPO,
        "revision": None,
        "commit": commit,
    }
    assert len(read_items(tmp_path / "items.parquet", "train")) == 40
    files = [path for path in hub.downloads() if path.endswith(".parquet")]
    assert files
    assert all(commit in path for path in files)


def test_a_ref_and_a_folder_are_read(hub: Hub, tmp_path: Path) -> None:
    converted = published(tmp_path / "parquet", talks(20, "second"), "default")
    (converted / "other").mkdir()
    commit = hub.add_revision("dataset", REPO, "refs/convert/parquet", converted)
    done = freeze(hub, tmp_path, revision="refs/convert/parquet", data_dir="default")
    assert done.returncode == 0, done.stderr
    assert answers(tmp_path) == {"second"}
    assert read_json(tmp_path / "manifest.json")["hub"]["commit"] == commit


def test_a_commit_is_read_without_asking_what_it_is(hub: Hub, tmp_path: Path) -> None:
    commit = hub.commit("dataset", REPO, "main")
    assert freeze(hub, tmp_path, revision=commit).returncode == 0
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    before = len(hub.requests)
    done = freeze(hub, tmp_path, revision=commit, env=offline)
    assert done.returncode == 0, done.stderr
    assert len(hub.requests) == before


def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path) -> None:
    hub.plant_on_call("busy_once", f"/api/datasets/{REPO}")
    file = "data/train-00000-of-00001.parquet"
    hub.plant("server_error_once", "dataset", REPO, "main", file)
    done = freeze(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "again in" in done.stdout
    assert answers(tmp_path) == {"first"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "made/nothing"}, "revision cannot be resolved"),
        ({"revision": "v9"}, "revision cannot be resolved"),
        ({"revision": "0" * 40}, "cannot be read"),
        ({"splits": {"train": "validation"}}, "cannot be read"),
        ({"config": "other"}, "cannot be read"),
        ({"data_dir": "nowhere"}, "cannot be read"),
    ],
)
def test_what_the_hub_lacks_is_reported(
    hub: Hub, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    done = freeze(hub, tmp_path, **changes)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "items.parquet").exists()


def test_a_damaged_file_is_reported(hub: Hub, tmp_path: Path) -> None:
    hub.plant("corrupt", "dataset", REPO, "main", "data/train-00000-of-00001.parquet")
    done = freeze(hub, tmp_path)
    assert done.returncode == 1
    assert "arrived damaged" in done.stderr


def test_errors_hold_no_token(hub: Hub, tmp_path: Path) -> None:
    hub.shelf.token = "hf_" + "r" * 30
    done = freeze(hub, tmp_path, env={"HF_TOKEN": TOKEN})
    assert done.returncode == 1
    assert "cannot be" in done.stderr
    for text in (done.stdout, done.stderr):
        assert TOKEN not in text
        assert hub.shelf.token not in text
