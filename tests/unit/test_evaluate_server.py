import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from tiny import pair, request, save_checkpoint

from tuning_dynamics.data.items import write_items
from tuning_dynamics.evaluate.cell import evaluate_cell
from tuning_dynamics.evaluate.client import request_cell
from tuning_dynamics.evaluate.model import load_for_evaluation
from tuning_dynamics.study.errors import StudyError

START = """
import sys
from tuning_dynamics.evaluate.server import serve_as_told
serve_as_told("cpu", "0", "float32", "x", "tiny/1/base", *sys.argv[1:])
"""


def start(
    manifest: Path, address: Path, cells: int = 0, cwd: Path | None = None
) -> subprocess.Popen[str]:
    folders = os.pathsep.join(sys.path)
    return subprocess.Popen(
        [sys.executable, "-c", START, str(manifest), str(address), str(cells)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": folders},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("served")
    write_items(path / "items.parquet", [pair(number) for number in range(6)])
    save_checkpoint(path / "checkpoint")
    return path


@pytest.fixture(scope="module")
def address(folder):
    """A server of a module's tests; what a killed one left behind lies in its place first."""
    path = folder / ("a_long_name_" * 9) / "variant" / "server.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"address": str(folder / "gone"), "pid": 1}))
    process = start(folder / "checkpoint" / "manifest.json", path)
    yield path
    process.terminate()
    process.communicate(timeout=20)


def ask(folder, name="served.parquet", **changes):
    return {**vars(request(folder / "items.parquet", folder / name)), **changes}


def test_served_equals_unserved_and_a_stale_address_is_waited_out(folder, address):
    reply = request_cell(address, ask(folder), patience=60)
    assert reply["seconds"] > 0
    model = load_for_evaluation(folder / "checkpoint" / "manifest.json", torch.device("cpu"))
    assert evaluate_cell(model, request(folder / "items.parquet", folder / "own.parquet")) == 6
    assert pq.read_table(folder / "served.parquet").equals(pq.read_table(folder / "own.parquet"))
    assert (folder / "served.parquet").read_bytes() == (folder / "own.parquet").read_bytes()


def test_an_error_is_told_to_its_cell_and_ends_nothing(folder, address):
    with pytest.raises(StudyError, match="begin with the same token"):
        request_cell(
            address,
            ask(folder, "no.parquet", prediction="token_prob", labels=[["neutral"], ["neutral x"]]),
            patience=60,
        )
    with pytest.raises(StudyError, match="traceback in the server's log"):
        request_cell(address, ask(folder, "no.parquet", template=7), patience=60)
    with pytest.raises(StudyError, match="not a request"):
        request_cell(address, {"eval_set": "tiny"}, patience=60)
    assert not (folder / "no.parquet").exists()
    assert request_cell(address, ask(folder), patience=60)["ok"]


def test_clients_queue_and_a_lost_one_harms_nobody(folder, address):
    with socket.socket(socket.AF_UNIX) as lost:
        lost.connect(json.loads(address.read_text())["address"])
        lost.sendall(b'{"eval_set":')
    replies = []
    threads = [
        threading.Thread(
            target=lambda n=n: replies.append(
                request_cell(address, ask(folder, f"{n}.parquet"), 60)
            )
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8
    cost = json.loads((address.parent / "serve.json").read_text())
    assert cost["stage"] == "serve"
    assert cost["job"] == "tiny/1/base"
    assert cost["cells"] >= 8
    assert cost["tokens"] > 0
    assert cost["seconds"] > cost["load_seconds"] > 0


def test_sigterm_leaves_the_placeholder(folder, tmp_path):
    path = tmp_path / "server.json"
    process = start(folder / "checkpoint" / "manifest.json", path)
    request_cell(path, ask(folder, "term.parquet"), patience=60)
    socket_folder = Path(json.loads(path.read_text())["address"]).parent
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert path.read_text() == ""
    assert not socket_folder.exists()


def test_a_variants_weights_are_dropped_once_all_its_cells_are_there(folder, tmp_path):
    # Relative, as in a run: under results/STUDY/.
    variant = Path("results", "s", "tiny", "1", "full", "a", "seed0")
    kept = tmp_path / "results" / "s" / "scratch" / "tiny" / "1" / "full" / "a" / "seed0"
    out = str(variant / "cells" / "one.parquet")
    for cells, dropped in ((2, False), (1, True)):
        (kept / "finished").mkdir(parents=True, exist_ok=True)
        process = start(
            folder / "checkpoint" / "manifest.json", variant / "server.json", cells, tmp_path
        )
        server = tmp_path / variant / "server.json"
        request_cell(server, {**ask(folder), "out": out}, patience=60)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert (kept / "finished").exists() is not dropped


def test_weights_that_changed_are_refused(folder, tmp_path):
    manifest = tmp_path / "manifest.json"
    text = (folder / "checkpoint" / "manifest.json").read_text()
    manifest.write_text(text.replace('"model.safetensors": "', '"model.safetensors": "0'))
    with pytest.raises(StudyError, match="not those of the manifest"):
        load_for_evaluation(manifest, torch.device("cpu"))


def test_a_client_without_a_server_says_so(tmp_path):
    (tmp_path / "server.json").write_text("")
    with pytest.raises(StudyError, match="no server answered"):
        request_cell(tmp_path / "server.json", {}, patience=0.1)


def test_a_server_that_dies_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        (tmp_path / "server.json").write_text(json.dumps({"address": str(tmp_path / "s")}))

        def die() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(StudyError, match="ended before it answered"):
            request_cell(tmp_path / "server.json", {"x": "y" * 10}, patience=5)
        thread.join()
