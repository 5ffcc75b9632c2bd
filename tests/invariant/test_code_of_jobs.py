"""A job runs only what counts as its code: no other function of the project."""

import json
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from tiny import pair, save_checkpoint

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.identity import job as study_job
from tuning_dynamics.identity.code_digest import (
    AROUND,
    SCRIPTS,
    own_code,
    reached_modules,
    spec_words,
)
from tuning_dynamics.identity.code_tree import Found

TEMPLATE = "### Input_1: {a}\n### Input_2: {b}\n### Inference:"
PACKAGE = SCRIPTS / "tuning_dynamics"
LABELS = ("entailment", "neutral", "contradiction")


class Named(dict[str, Any]):
    """Snakemake's lists of files, and its params: by name, and as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


@contextmanager
def traced() -> Iterator[set[tuple[str, str]]]:
    """The functions of the project that run in the block: (file, qualified name)."""
    seen: set[tuple[str, str]] = set()

    def trace(frame: FrameType, event: str, argument: object) -> None:
        del event, argument
        path, is_function = Path(frame.f_code.co_filename), frame.f_code.co_flags & 1
        if is_function and path.is_relative_to(SCRIPTS):
            seen.add((str(path.relative_to(SCRIPTS)), frame.f_code.co_qualname))

    before = sys.gettrace()
    sys.settrace(trace)
    threading.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)
        threading.settrace(before)  # type: ignore[arg-type]


def left_out(module: str, name: str) -> bool:
    """Whether a rule excludes a function: a config model's checks, and code around jobs."""
    if module in AROUND:
        return True
    owner, _, method = name.rpartition(".")
    tree = own_code().tree
    if owner and tree.is_model(Found(module, owner)):
        return method in tree.module(module).classes[owner].hooks
    return (module, name) == ("tuning_dynamics.config.base", "refuse_repeats")


def run_stub(
    monkeypatch: pytest.MonkeyPatch, stub: str, snakemake: SimpleNamespace, job: SimpleNamespace
) -> set[tuple[str, str]]:
    """Run a stub as Snakemake does, its job as due; functions of its own and of the project."""

    @contextmanager
    def running(_: object) -> Iterator[SimpleNamespace]:
        yield job

    monkeypatch.setattr(study_job, "running", running)
    for module in reached_modules(stub):
        __import__(module)
    with traced() as seen:
        runpy.run_path(str(SCRIPTS / stub), {"snakemake": snakemake}, "__main__")
    return seen


def unsaid(stub: str, words: frozenset[str], seen: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The functions that ran and are not among the parts of the stub's code."""
    code = own_code()
    parts = {(part.file, part.name) for part in code.parts(stub, words)}
    found = set()
    for file, qualified in seen:
        name = qualified.partition(".<locals>")[0]
        path = SCRIPTS / file
        place = file if path.parent == SCRIPTS else path.relative_to(PACKAGE).as_posix()
        module = file.removesuffix(".py").replace("/", ".")
        lambdas = "<" in name  # of a constant, or of a registry's entry
        if (place, name) not in parts and not lambdas and not left_out(module, name):
            found.add((place, name))
    return found


def items() -> list[Item]:
    splits = (("train", 24), ("evaluation", 9), ("demonstration", 6))
    return [pair(n, split, LABELS[n % 3]) for split, count in splits for n in range(count)]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny checkpoint, frozen items, and a train set as token ids."""
    monkeypatch.chdir(tmp_path)
    write_items(tmp_path / "items.parquet", items())
    manifest = save_checkpoint(tmp_path / "checkpoint")
    described = {"family": "tiny", "step": 1, "tokens": 1.0, "adapter": None}
    write_json(manifest, {**read_json(manifest), **described})
    return tmp_path


def as_snakemake(**given: Any) -> SimpleNamespace:
    empty: dict[str, Any] = {"wildcards": Named(), "params": Named(), "input": Named()}
    config = {"execution": {"device": "cpu", "micro_batch": 4}}
    return SimpleNamespace(**{**empty, "config": config, "log": "x.log", **given})


def encode(monkeypatch: pytest.MonkeyPatch) -> tuple[str, frozenset[str], set[tuple[str, str]]]:
    spec = json.dumps({"template": TEMPLATE, "dialogue": None, "max_length": 128})
    files = {"frozen": "items.parquet", "manifest": ["checkpoint/manifest.json"], "files": []}
    snakemake = as_snakemake(
        wildcards=Named(dataset="x"),
        params=Named(spec=spec),
        input=Named(files),
        output=Named(tokens="x.arrow", counts="x.json"),
    )
    job = SimpleNamespace(due=[1], code="c")
    seen = run_stub(monkeypatch, "data_encode.py", snakemake, job)
    return "data_encode.py", spec_words(spec), seen


STAGES: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"train": {"lora": {"r": 2, "dropout": 0.1}}},
    "pulled": {"reg": {"l2_to_base": 0.1}},
}


def tuned(
    monkeypatch: pytest.MonkeyPatch, stub: str, kinds: list[str]
) -> tuple[frozenset[str], set[tuple[str, str]]]:
    """A job of tuning by stages of these kinds, on the encoded set."""
    optim = {"lr": 1e-3, "epochs": 1, "batch_size": 8}
    stages = [{"id": f"s{n}", "optim": optim, **STAGES[kind]} for n, kind in enumerate(kinds)]
    uses = {stage["id"]: {"$target": "x/default"} for stage in stages}
    parsed = {"recipe": {"stages": stages}, "sets": ["x/default"], "uses": uses, "seed": 0}
    spec = json.dumps({**parsed, "heldout": 0.25} if "try" in stub else parsed)
    outputs = {name: f"results/s/tiny/1/r/x/seed0/{name}" for name in ("weights", "metrics.json")}
    snakemake = as_snakemake(
        wildcards=Named(variant="tiny/1/r/x/seed0", recipe="r", train_set="x"),
        params=Named(spec=spec, key="tiny/1/r/x/rate0.001"),
        input=Named(checkpoint="checkpoint/manifest.json", tokens=["x.arrow"], rates=[]),
        output=Named(
            manifest="results/s/tiny/1/r/x/seed0/manifest.json",
            weights=outputs["weights"],
            metrics=outputs["metrics.json"],
        ),
    )
    job = SimpleNamespace(due=[1], code="c")
    return spec_words(spec), run_stub(monkeypatch, stub, snakemake, job)


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("stub", "kinds"),
    [
        ("tune_variant.py", ["lora"]),
        ("tune_variant.py", ["pulled", "full"]),
        ("tune_try_rate.py", ["lora", "full"]),
    ],
)
def test_tuning_runs_its_code_alone(
    monkeypatch: pytest.MonkeyPatch, stub: str, kinds: list[str]
) -> None:
    assert unsaid(*encode(monkeypatch)) == set()
    words, seen = tuned(monkeypatch, stub, kinds)
    assert unsaid(stub, words, seen) == set()
    assert ("tuning_dynamics/engine/loop.py", "Training._step") in seen
    # The words are needed, and the trace would show it: without them a kind is not reached.
    without = unsaid(stub, words - {"lora", "l2_to_base"}, seen)
    adapter, pull = (
        ("recipes/trainable/lora.py", "begin"),
        ("recipes/regulariser/l2_to_base.py", "penalty"),
    )
    assert (adapter in without) == ("lora" in kinds)
    assert (pull in without) == ("pulled" in kinds)


@pytest.mark.usefixtures("study")
def test_a_draw_runs_its_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = json.dumps({"kind": "classification", "seed": 0, "draw": 2})
    snakemake = as_snakemake(
        wildcards=Named(dataset="x", draw="2"),
        params=Named(spec=spec),
        input=Named(frozen="items.parquet"),
        output=Named(drawn="2.parquet"),
    )
    job = SimpleNamespace(due=[1], code="c")
    seen = run_stub(monkeypatch, "data_draw.py", snakemake, job)
    assert ("tuning_dynamics/data/draws.py", "drawn_demonstrations") in seen
    assert unsaid("data_draw.py", spec_words(spec), seen) == set()


@pytest.mark.parametrize(
    "settings",
    [
        {"prediction": "token_prob", "shots": 2},
        {"prediction": "constrained", "truncation": "input", "shots": 6},
        {"prediction": "free", "shots": 0},
    ],
)
def test_an_evaluation_runs_its_code_alone(
    study: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    cell = {
        "eval_set": "tiny",
        "kind": "classification",
        "template": TEMPLATE,
        "truncation": "refuse",
        "max_new_tokens": 3,
        "labels": [[label] for label in LABELS],
        "dtype": "float32",
        **settings,
    }
    spec = json.dumps(cell)
    demonstrations = "items.parquet" if settings["shots"] else ""
    entry = {"spec": spec, "items": "items.parquet", "demonstrations": demonstrations}
    snakemake = as_snakemake(
        wildcards=Named(variant="tiny/1/base"),
        input=Named(manifest="checkpoint/manifest.json"),
        output=Named(metrics="metrics.json"),
    )
    view = SimpleNamespace(params={"cells": json.dumps([entry])}, outputs=["cell.parquet"])
    due = [SimpleNamespace(name="cell.parquet")]
    job = SimpleNamespace(due=due, view=view, made=bool, code="c")
    seen = run_stub(monkeypatch, "evaluate_variant.py", snakemake, job)
    assert (study / "cell.parquet").is_file()
    assert ("tuning_dynamics/evaluate/cell.py", "evaluate_cell") in seen
    assert unsaid("evaluate_variant.py", spec_words(spec), seen) == set()


def test_a_loss_on_the_fixed_text_runs_its_code_alone(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snakemake = as_snakemake(
        wildcards=Named(variant="tiny/1/r/x/seed0"),
        params=Named(spec="{}"),
        input=Named(manifest="checkpoint/manifest.json", heldout=[]),
        output=Named(out="text_loss.json"),
    )
    job = SimpleNamespace(due=[1], code="c")
    seen = run_stub(monkeypatch, "evaluate_text_loss.py", snakemake, job)
    assert read_json(study / "text_loss.json")["text_loss"] > 0
    assert ("tuning_dynamics/checkpoints/manifest.py", "text_loss") in seen
    assert unsaid("evaluate_text_loss.py", frozenset(), seen) == set()
