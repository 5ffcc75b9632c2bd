"""What each kind of process imports: start-up is mostly imports (benchmarks/startup.py)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import pair, request, save_checkpoint, tiny_encoder

from tuning_dynamics.data.encode import tokenizer_digest
from tuning_dynamics.data.items import write_items
from tuning_dynamics.data.sequences import completions
from tuning_dynamics.data.tokens import write_tokens
from tuning_dynamics.study.files import read_json, write_json

#: Libraries that no trainer or server of a full model uses.
UNUSED = {"peft", "datasets", "sklearn", "matplotlib", "seaborn", "docutils", "snakemake", "trl"}

TRAINER = """
import sys, types
from tuning_dynamics.study.stub import logged
from tuning_dynamics.tune.variant import tune_from_spec
inputs = types.SimpleNamespace(checkpoint="checkpoint/manifest.json", tokens="tokens", rates=[])
outputs = {name: f"results/s/v/{name}" for name in ("manifest", "weights", "metrics")}
with logged("log"):
    tune_from_spec(
        "tiny/1/full/nli/seed0",
        sys.argv[1],
        code="x",
        config={"execution": {"device": "cpu"}},
        inputs=inputs,
        outputs=outputs,
    )
"""

SERVER = """
import json, sys
import tuning_dynamics.evaluate.server
import torch
from tuning_dynamics.evaluate.cell import evaluate_cell
from tuning_dynamics.evaluate.kept import KeptCells
from tuning_dynamics.evaluate.model import load_for_evaluation
from tuning_dynamics.evaluate.request import parse_request
model = load_for_evaluation("checkpoint/manifest.json", torch.device("cpu"))
evaluate_cell(model, parse_request(json.loads(sys.argv[1])))
"""

#: What evaluate_cell.py imports, and evaluate_serve.py before its clients can connect.
CLIENT = "import json, sys, tuning_dynamics.evaluate.client, tuning_dynamics.study.stub"
LISTENING = "import sys, tuning_dynamics.evaluate.server, tuning_dynamics.study.stub"


def imported(code: str, folder: Path, *arguments: str) -> set[str]:
    """The libraries that a process has imported at the end of some code, run in a folder."""
    told = "\nopen('modules', 'w').write('\\n'.join(sys.modules))"
    subprocess.run(
        [sys.executable, "-c", code + told, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
    )
    names = (folder / "modules").read_text(encoding="utf-8").split()
    return {name.split(".")[0] for name in names}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny checkpoint, items, and an encoded train set."""
    manifest = save_checkpoint(tmp_path / "checkpoint")
    write_json(manifest, {**read_json(manifest), "family": "tiny", "step": 1, "tokens": 8})
    write_items(tmp_path / "items", [pair(number) for number in range(4)])
    train = [pair(number, "train") for number in range(4)]
    tokens = completions(train, request(tmp_path, tmp_path).template, tiny_encoder(), 256)
    write_tokens(tmp_path / "tokens", tokens, tokenizer_digest(tmp_path / "checkpoint"))
    return tmp_path


def test_a_client_imports_the_standard_library_alone(tmp_path: Path) -> None:
    bare = imported("import sys", tmp_path)  # with what the environment adds to every process
    assert imported(CLIENT, tmp_path) - bare <= {"tuning_dynamics", *sys.stdlib_module_names}


def test_a_server_that_clients_can_connect_to_has_imported_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"torch", "transformers", "numpy", "pyarrow", "tokenizers", "safetensors"}
    assert imported(LISTENING, tmp_path).isdisjoint(heavy)


def test_a_trainer_of_all_weights_imports_only_what_it_uses(folder: Path) -> None:
    stage = {"id": "tune", "train": "full", "optim": {"lr": 1e-5, "epochs": 1}}
    spec = {"recipe": {"stages": [stage]}, "uses": {"tune": {"$target": 0}}, "seed": 0}
    found = imported(TRAINER, folder, json.dumps(spec))
    assert "torch" in found
    assert found.isdisjoint({*UNUSED, "pandas"})


def test_a_server_imports_only_what_it_uses(folder: Path) -> None:
    asked = json.dumps(vars(request(folder / "items", folder / "out")))
    found = imported(SERVER, folder, asked)
    assert "torch" in found
    assert found.isdisjoint(UNUSED)
