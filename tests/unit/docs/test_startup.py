"""What each kind of process imports: start-up is mostly imports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from standin import StandIn, plan
from tiny import pair, request, save_checkpoint, tiny_encoder

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.paths import SCRIPTS
from tuning_dynamics.data.items import write_items
from tuning_dynamics.data.sequences import completions
from tuning_dynamics.data.token_store import write_tokens
from tuning_dynamics.data.tokenizer import tokenizer_digest

#: Libraries that no trainer or evaluation of a full model uses.
UNUSED = {"peft", "datasets", "sklearn", "matplotlib", "seaborn", "docutils", "snakemake", "trl"}

#: Runs a stub with the job that a JSON file describes.
RUN = """
import json, runpy, sys
import tuning_dynamics.identity.job
from standin import StandIn
tuning_dynamics.identity.job.leave = lambda: None
stub, file = sys.argv[1:]
described = json.loads(open(file).read())
sys.argv = [stub]
job = StandIn(*described.pop("name"), **described)
runpy.run_path(stub, {"snakemake": job}, "__main__")
"""


def imported(code: str, folder: Path, *arguments: str) -> set[str]:
    """The libraries that a process has imported at the end of some code, run in a folder."""
    listing = "\nopen('modules', 'w').write('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + listing, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = (folder / "modules").read_text(encoding="utf-8").split()
    return {name.split(".")[0] for name in names}


def run(folder: Path, rule: str, wildcards: dict[str, str], stub: str, **files: Any) -> set[str]:
    """The libraries that a job's process has imported at its end."""
    described = {
        "name": [rule, wildcards, stub],
        **files,
        "config": {"execution": {"device": "cpu"}},
    }
    job = StandIn(rule, wildcards, stub, **files)
    plan({job: job.planned()})
    write_json("job.json", described)
    return imported(RUN, folder, str(SCRIPTS / stub), "job.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a tiny checkpoint, items, and an encoded train set."""
    monkeypatch.chdir(tmp_path)
    manifest = save_checkpoint(Path("checkpoint"))
    write_json(manifest, {**read_json(manifest), "family": "tiny", "step": 1, "tokens": 8})
    write_items("items", [pair(number) for number in range(4)])
    train = [pair(number, "train") for number in range(4)]
    tokens = completions(train, request(tmp_path, tmp_path).template, tiny_encoder(), 256)
    write_tokens("tokens", tokens, tokenizer_digest(tmp_path / "checkpoint"))
    return tmp_path


def trainer(folder: Path) -> set[str]:
    """What a trainer of all weights imports."""
    stage = {"id": "tune", "train": "full", "optim": {"lr": 1e-5, "epochs": 1}}
    spec = {
        "recipe": {"stages": [stage]},
        "sets": ["nli/default"],
        "uses": {"tune": {"$target": "nli/default"}},
        "seed": 0,
    }
    return run(
        folder,
        "tune",
        {"variant": "tiny/1/full/nli/seed0"},
        "tune_variant.py",
        inputs={"checkpoint": "checkpoint/manifest.json", "tokens": ["tokens"], "rates": []},
        outputs={
            "manifest": "results/s/v/manifest.json",
            "weights": "results/s/v/weights",
            "metrics": "results/s/v/metrics.json",
        },
        params={"spec": json.dumps(spec)},
    )


def test_a_trainer_imports_only_what_it_uses_and_nothing_where_it_is_current(folder: Path) -> None:
    found = trainer(folder)
    assert "torch" in found
    assert found.isdisjoint({*UNUSED, "pandas"})
    heavy = {"torch", "transformers", "numpy", "pyarrow", "tokenizers", "safetensors", "pydantic"}
    assert trainer(folder).isdisjoint(heavy)


def test_an_evaluation_imports_only_what_it_uses(folder: Path) -> None:
    asked = vars(request(folder / "items", folder / "x"))
    given = ("items", "demonstrations", "out")
    spec = json.dumps({name: value for name, value in asked.items() if name not in given})
    cells = [{"spec": spec, "items": "items", "demonstrations": ""}]
    found = run(
        folder,
        "evaluate_1",
        {"variant": "tiny/1/base"},
        "evaluate_variant.py",
        inputs={"manifest": "checkpoint/manifest.json", "frozen": ["items"]},
        outputs={"cells": ["results/s/v/one.parquet"], "metrics": "results/s/v/evaluation.json"},
        params={"cells": json.dumps(cells)},
    )
    assert "torch" in found
    assert found.isdisjoint(UNUSED)
    assert read_json("results/s/v/evaluation.json")["cells"] == 1
