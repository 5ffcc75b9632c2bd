"""Every failure point of the jobs that write: what is left after the same command.

    python benchmarks/faults.py FOLDER [--jobs tune,evaluate] [--sample 100] [--seed 1]
        [--out benchmarks/results/faults.json]

A study of tiny models is run once in FOLDER. Then jobs of each kind are made again, once with
nothing of theirs there and once over what they made with other settings. Each thing that a job
asks of the system (opening for writing, write, sync, rename, link, removal, new folder; see
tests/injection) is met once by ENOSPC, once by EIO, once by EPERM and once by SIGKILL before it;
the last one also by SIGKILL after it, as a kill after any other leaves what one before the next
does. After each, the same command must end well, with the files of a run without faults, byte for
byte but for clocks, no other file, and no raw traceback anywhere. Eight jobs are struck in one run,
each by a fault of its own.

FOLDER/outcomes.jsonl grows by a line a fault; the same command goes on from it. --sample takes so
many faults, drawn by --seed. Linux with a C compiler only.
"""

import argparse
import json
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "workflow")]

import yaml  # noqa: E402
from injection.faults import (  # noqa: E402
    ERRORS,
    Fault,
    Kind,
    Outcome,
    Reference,
    Scene,
    compiled,
    reference,
    strike,
    variables,
)
from repository import Repository, clone  # noqa: E402

STUDY = "tests/faults.yaml"
#: Jobs struck in one run.
BATCH = 8
TUNED = "fam0/10/two/nli_people"

FAMILY = """\
source: pretrain
corpus: {world: true}
architecture:
  {vocab_size: 512, hidden_size: 16, intermediate_size: 32, layers: 1, heads: 2, context: 256}
training: {steps: 10, batch_size: 2, sequence_length: 32, lr: 3e-3}
checkpoints: {steps: [10]}
heldout: 4
"""
RECIPE = """\
stages:
  - id: first
    optim: {lr: 1e-3, epochs: 1}
  - id: second
    optim: {lr: 1e-3, epochs: 1}
"""
CONFIG = """\
study: faults
catalogue: [config, tests/catalogue]
world: {people: 32, documents: 400}
data: {train_items: 8, evaluation_items: 4}
statistics: {resamples: 100, main_recipe: two}
execution: {save_seconds: 3600, device: cpu}
evaluate: {truncation: demonstrations, text_tokens: 4}
"""
BLOCKS: list[dict[str, Any]] = [
    {
        "family": "fam0",
        "checkpoints": "last",
        "recipes": ["base"],
        "eval_sets": ["facts_qa", *(f"set{number}" for number in range(BATCH))],
    },
    {
        "family": "fam0",
        "checkpoints": "last",
        "recipes": ["two"],
        "train_sets": ["nli_people"],
        "seeds": list(range(BATCH)),
        "eval_sets": ["facts_qa", "set0"],
    },
    *(
        {
            "family": f"fam{number}",
            "checkpoints": "last",
            "recipes": ["base"],
            "eval_sets": ["facts_qa"],
        }
        for number in range(1, BATCH)
    ),
]

CELLS = ("facts_qa/default/0shot/likelihood", "set0/default/0shot/token_prob")
SEEDS = tuple(f"{TUNED}/seed{number}" for number in range(BATCH))
TABLES = ("scores", "changes", "unpaired", "seed_means", "sensitivity")
KINDS = (
    Kind(
        "freeze",
        "data_freeze.py",
        tuple(f"/set{number}" for number in range(BATCH)),
        ("data{key}/items.parquet", "data{key}/manifest.json"),
        ("results/faults/data{key}/items.parquet",),
        (STUDY, "evaluation_items: 4", "evaluation_items: 3"),
    ),
    Kind(
        "pretrain",
        "checkpoints_pretrain.py",
        tuple(f"fam{number}/10" for number in range(BATCH)),
        tuple(f"{{key}}/checkpoint/{name}" for name in ("weights", "state.pt", "manifest.json")),
        ("results/faults/{key}/checkpoint/manifest.json",),
    ),
    Kind(
        "tune",
        "tune_variant.py",
        SEEDS,
        ("{key}/weights", "{key}/manifest.json", "{key}/metrics.json"),
        ("results/faults/{key}/manifest.json",),
        (
            "tests/catalogue/recipes/two.yaml",
            "id: second\n    optim: {lr: 1e-3",
            "id: second\n    optim: {lr: 2e-3",
        ),
    ),
    Kind(
        "evaluate",
        "evaluate_variant.py",
        SEEDS,
        ("{key}/cells",),
        tuple(f"results/faults/{{key}}/cells/{cell}.parquet" for cell in CELLS),
        (STUDY, "text_tokens: 4", "text_tokens: 4, dtype: bfloat16"),
    ),
    Kind(
        "scores",
        "stats_scores.py",
        ("results/faults/",),
        tuple(f"tables/{name}.*" for name in TABLES),
        tuple(f"results/faults/tables/{name}.csv" for name in TABLES),
        (STUDY, "resamples: 100", "resamples: 120"),
    ),
)


def finished(folder: Path, shim: Path) -> Scene:
    """The study, run from start to end; one that is there already is taken."""
    done = folder / "finished"
    scene = Scene(Repository(folder / "base", STUDY, variables()), "faults", shim)
    if done.exists():
        return scene
    clone(folder / "base", STUDY)
    catalogue = scene.repository.folder / "tests" / "catalogue"
    for number in range(BATCH):
        (catalogue / "families" / f"fam{number}.yaml").write_text(FAMILY, encoding="utf-8")
        data = (ROOT / "config/datasets/nli_people.yaml").read_text(encoding="utf-8")
        (catalogue / "datasets").mkdir(exist_ok=True)
        (catalogue / "datasets" / f"set{number}.yaml").write_text(data, encoding="utf-8")
    (catalogue / "recipes" / "two.yaml").write_text(RECIPE, encoding="utf-8")
    study = CONFIG + yaml.safe_dump({"blocks": BLOCKS}, sort_keys=False)
    (scene.repository.folder / STUDY).write_text(study, encoding="utf-8")
    scene.repository.succeed()
    done.touch()
    return scene


def faults_of(kind: Kind, clean: Reference) -> list[Fault]:
    """All faults of a kind of job, shared out over its jobs."""
    asked = {key: clean.requests[kind.word, key] for key in kind.keys}
    points = min(len(one) for one in asked.values())
    whats = [(number, what) for number in range(1, points + 1) for what in (*ERRORS, "before")]
    return [
        Fault(kind, kind.keys[place % len(kind.keys)], number, what)
        for place, (number, what) in enumerate([*whats, (points, "after")])
    ]


def batches(faults: Sequence[Fault]) -> Iterator[list[Fault]]:
    """Faults, one of each job at a time."""
    by_job: dict[str, list[Fault]] = {}
    for fault in faults:
        by_job.setdefault(fault.key, []).append(fault)
    for batch in zip_longest(*by_job.values()):
        yield [fault for fault in batch if fault is not None]


def strike_all(
    scene: Scene, kind: Kind, folder: Path, arguments: argparse.Namespace, *, edited: bool
) -> list[dict[str, Any]]:
    """Every fault of a kind of job that has no outcome yet; returns all outcomes."""
    path = folder / "outcomes.jsonl"
    mode = "over other results" if edited else "anew"
    clean = reference(scene, {kind: kind.keys}, folder, edited=edited)
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = [row for row in known if (row["job"], row["mode"]) == (kind.name, mode)]
    had = {(row["number"], row["what"]) for row in known}
    faults = faults_of(kind, clean)
    if arguments.sample:
        drawn = random.Random(f"{arguments.seed} {kind.name} {mode}")
        faults = drawn.sample(faults, min(arguments.sample, len(faults)))
    left = [fault for fault in faults if (fault.number, fault.what) not in had]
    print(f"{kind.name}, {mode}: {len(faults)} faults, {len(left)} to do", flush=True)
    if clean.volatile:
        print(f"  other bytes in each run: {', '.join(sorted(clean.volatile)[:12])}", flush=True)
    for batch in batches(left):
        for outcome in strike(scene, batch, clean, folder, edited=edited):
            known.append({**outcome.as_json(), "mode": mode})
            tell(outcome)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(known[-1]) + "\n")
    wanted = {(fault.number, fault.what) for fault in faults}
    return [row for row in known if (row["number"], row["what"]) in wanted]


def tell(outcome: Outcome) -> None:
    """What is wrong after a fault."""
    for wrong in outcome.wrong:
        fault = outcome.fault
        print(f"  {fault.kind.name} {fault.number} {fault.what}: {wrong}", flush=True)


def summary(rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Counts of faults, by kind of job, and all that is wrong."""
    return {
        "machine": platform.machine(),
        "seconds": round(seconds),
        "faults": len(rows),
        "reached": sum(row["at"] != "not reached" for row in rows),
        "wrong": [row for row in rows if "wrong" in row],
        "by_job": dict(sorted(Counter(f"{row['job']}, {row['mode']}" for row in rows).items())),
        "by_what": dict(sorted(Counter(row["what"] for row in rows).items())),
        "by_request": dict(sorted(Counter(row["at"].split()[0] for row in rows).items())),
    }


def main() -> None:
    """Strike the chosen kinds of job at all points, or at some."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", default=",".join(kind.name for kind in KINDS))
    parser.add_argument("--sample", type=int, default=0, help="faults of each kind of job; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shim = compiled(folder)
    if shim is None:
        raise SystemExit("this needs Linux and a C compiler")
    began = time.monotonic()
    scene = finished(folder, shim)
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        if kind.name in arguments.jobs.split(","):
            for edited in (False, True) if kind.edit else (False,):
                rows += strike_all(scene, kind, folder, arguments, edited=edited)
    found = summary(rows, time.monotonic() - began)
    print(json.dumps(found, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["wrong"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
