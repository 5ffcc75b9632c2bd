"""A local checkpoint through the jobs' own functions, from `verify` to cells."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import torch

from tuning_dynamics.checkpoints.verify import verify
from tuning_dynamics.config.base import canonical
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.data.tokenize_set import encode_set
from tuning_dynamics.evaluate.cell import evaluate_cell
from tuning_dynamics.evaluate.model import load_for_evaluation
from tuning_dynamics.evaluate.request import CellRequest
from tuning_dynamics.preflight.trial import try_model
from tuning_dynamics.tune.variant import tune_from_spec

#: Of tuning: peak rate, constant; each of the two steps takes all examples.
RATE, STEPS = 1e-3, 2


@dataclass(frozen=True)
class Asked:
    """A cell: its task, and how it is answered."""

    kind: str
    prediction: str
    shots: int


#: Scores of labels with and without demonstrations, of options, and generated texts.
CELLS = (
    Asked("classification", "constrained", 0),
    Asked("classification", "constrained", 2),
    Asked("multiple_choice", "likelihood", 0),
    Asked("generation", "greedy", 1),
)
TEMPLATE = "{a}\nThen: {b}\nSo:"
NEW = 8


def verified(folder: Path, out: Path) -> Path:
    """The manifest of a checkpoint in a folder; StudyError as for `verify`."""
    steps = {"tokens_per_step": 2, "checkpoints": {"steps": [7]}}
    spec = canonical({"source": "local", "path": str(folder), **steps})
    manifest = out / "checkpoint" / "manifest.json"
    verify("x", spec, 7, downloaded=None, config={}, manifest=str(manifest), trial=try_model)
    return manifest


def tuned(
    manifest: Path, folder: Path, items: Sequence[Item], out: Path, train: Any = "full"
) -> tuple[Path, list[float]]:
    """The manifest of the checkpoint tuned on all items in each of STEPS steps, and the losses.

    `out` is a relative path of at least two parts: the state of the run lies next to it.
    """
    write_items(out / "train.parquet", items)
    counts, tokens = str(out / "counts.json"), str(out / "train.arrow")
    given = {"template": TEMPLATE, "dialogue": None, "max_length": 128, "manifest": []}
    files = [str(folder / "tokenizer.json")]
    frozen = str(out / "train.parquet")
    encode_set("t", **given, frozen=frozen, files=files, tokens=tokens, counts=counts)
    optim = {"lr": RATE, "schedule": "constant", "warmup": 0, "epochs": STEPS}
    stage = {"id": "tune", "train": train, "optim": {**optim, "batch_size": len(items)}}
    spec = {"sets": ["t"], "uses": {"tune": {"$target": "t"}}, "seed": 0}
    outputs = {"weights": "weights", "manifest": "manifest.json", "metrics": "metrics.json"}
    tune_from_spec(
        "x/7/quick/t/seed0",
        json.dumps({**spec, "recipe": {"stages": [stage]}}),
        code="",
        config={"execution": {"device": "cpu"}},
        inputs=SimpleNamespace(checkpoint=str(manifest), tokens=tokens, rates=[]),
        outputs={name: str(out / "tuned" / file) for name, file in outputs.items()},
    )
    metrics = json.loads((out / "tuned" / "metrics.json").read_text(encoding="utf-8"))
    return out / "tuned" / "manifest.json", metrics["stages"][0]["losses"]


def answered(
    manifest: Path, items: Sequence[Item], shown: Sequence[Item], labels: Sequence[str], out: Path
) -> list[list[tuple[str, list[float]]]]:
    """Of each of CELLS, the items' predictions and scores."""
    model = load_for_evaluation(manifest, torch.device("cpu"))
    write_items(out / "items.parquet", items)
    write_items(out / "shown.parquet", shown)
    found = []
    for number, asked in enumerate(CELLS):
        request = CellRequest(
            eval_set="e",
            kind=asked.kind,
            template=TEMPLATE,
            items=str(out / "items.parquet"),
            demonstrations=str(out / "shown.parquet"),
            shots=asked.shots,
            prediction=asked.prediction,
            truncation="refuse",
            max_new_tokens=NEW,
            labels=tuple((label,) for label in labels) if asked.kind == "classification" else (),
            out=str(out / f"{number}.parquet"),
        )
        evaluate_cell(model, request)
        rows = {row["item"]: row for row in pq.read_table(request.out).to_pylist()}
        read = [rows[item.item] for item in items]
        found.append([(row["prediction"], row["option_scores"]) for row in read])
    return found
