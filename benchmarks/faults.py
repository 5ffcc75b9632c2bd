"""Every failure point of the jobs that write files: is all well after the same job runs again?

    python benchmarks/faults.py FOLDER [--jobs tune,evaluate] [--sample 100] [--seed 1]
        [--processes 2] [--out benchmarks/results/faults.json]

A study of tiny models is run once in FOLDER. Then a job of each kind runs again, once without
its outputs and once over outputs made with other settings. Each of its system requests (opening
for writing, write, sync, rename, link, removal, new folder; see tests/injection) fails once with
ENOSPC, once with EIO, once with EPERM and once with SIGKILL before it; the last one also with
SIGKILL after it, as a kill after any other request equals a kill before the next. After each fault,
the same job must succeed, with the files of a run without faults, byte for byte except clocks, no
other file, and no raw traceback.

A job is the script that Snakemake writes for it, in a process that is forked from one with the
job's libraries (tests/injection/forked.py): Snakemake would take ten times as long at thousands
of points. `make test` strikes some of them through Snakemake's own command.

FOLDER/outcomes.jsonl gets a line per fault; the same command continues from it. --sample takes
this many faults of each job, drawn with --seed. Linux with a C compiler only.
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / p) for p in ("workflow/scripts", "tests", "tests/helpers", "tests/workflow")
]

import yaml  # noqa: E402
from injection.faults import Fault, Kind, Scene, compiled, variables  # noqa: E402
from repository import Repository, clone, environment  # noqa: E402

from tuning_dynamics.common.job_log import RUN  # noqa: E402
from tuning_dynamics.common.paths import Paths  # noqa: E402

FORKED = ROOT / "tests" / "injection" / "forked.py"
NAME, STUDY = "faults", "tests/faults.yaml"
TUNED = "tiny_one/10/two/nli_people/seed0"

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
SETS = ["facts_qa", "nli_places"]
CONFIG = {
    "study": NAME,
    "catalogue": ["config", "tests/catalogue"],
    "world": {"people": 32, "documents": 400},
    "data": {"train_items": 8, "evaluation_items": 4},
    "statistics": {"resamples": 100, "main_recipe": "two"},
    "execution": {"save_seconds": 3600, "device": "cpu"},
    "evaluate": {"truncation": "demonstrations", "text_tokens": 4},
    "blocks": [
        {"family": "tiny_one", "checkpoints": "last", "recipes": ["base"], "eval_sets": SETS},
        {
            "family": "tiny_one",
            "checkpoints": "last",
            "recipes": ["two"],
            "train_sets": ["nli_people"],
            "eval_sets": SETS,
        },
    ],
}

CELLS = ("facts_qa/default/0shot/likelihood", "nli_places/default/0shot/token_prob")
TABLES = ("scores", "changes", "unpaired", "seed_means", "sensitivity")
KINDS = (
    Kind(
        "freeze",
        "data_freeze.py",
        ("/nli_places",),
        ("data{key}/items.parquet", "data{key}/manifest.json"),
        (f"results/{NAME}/data{{key}}/items.parquet",),
        (STUDY, "evaluation_items: 4", "evaluation_items: 3"),
    ),
    Kind(
        "pretrain",
        "checkpoints_pretrain.py",
        ("tiny_one/10",),
        tuple(f"{{key}}/checkpoint/{name}" for name in ("weights", "state.pt", "manifest.json")),
        (f"results/{NAME}/{{key}}/checkpoint/manifest.json",),
        ("tests/catalogue/families/tiny_one.yaml", "lr: 3e-3", "lr: 2e-3"),
    ),
    Kind(
        "tune",
        "tune_variant.py",
        (TUNED,),
        ("{key}/weights", "{key}/manifest.json", "{key}/metrics.json"),
        (f"results/{NAME}/{{key}}/manifest.json",),
        (
            "tests/catalogue/recipes/two.yaml",
            "id: second\n    optim: {lr: 1e-3",
            "id: second\n    optim: {lr: 2e-3",
        ),
    ),
    Kind(
        "evaluate",
        "evaluate_variant.py",
        (TUNED,),
        ("{key}/cells",),
        tuple(f"results/{NAME}/{{key}}/cells/{cell}.parquet" for cell in CELLS),
        (STUDY, "text_tokens: 4", "text_tokens: 4\n  dtype: bfloat16"),
    ),
    Kind(
        "scores",
        "stats_scores.py",
        (f"results/{NAME}/",),
        tuple(f"tables/{name}.*" for name in TABLES),
        tuple(f"results/{NAME}/tables/{name}.csv" for name in TABLES),
        (STUDY, "resamples: 100", "resamples: 120"),
    ),
)

#: In a Python process that Snakemake starts: keep the script that it was given.
HOOK = """\
import os, pathlib, shutil, sys
for word in sys.orig_argv[1:]:
    path = pathlib.Path(word)
    if path.parent.name == "scripts" and path.name.startswith("tmp"):
        shutil.copy(path, pathlib.Path(os.environ["KEPT"], path.name.partition(".")[2]))
"""


def finished(folder: Path, shim: Path) -> Scene:
    """The study, run from start to end; a finished one is reused."""
    done = folder / "finished"
    scene = Scene(Repository(folder / "base", STUDY, variables()), NAME, shim)
    if done.exists():
        return scene
    clone(folder / "base", STUDY)
    catalogue = scene.repository.folder / "tests" / "catalogue"
    (catalogue / "families" / "tiny_one.yaml").write_text(FAMILY, encoding="utf-8")
    (catalogue / "recipes" / "two.yaml").write_text(RECIPE, encoding="utf-8")
    study = yaml.safe_dump(CONFIG, sort_keys=False)
    (scene.repository.folder / STUDY).write_text(study, encoding="utf-8")
    scene.repository.succeed()
    done.touch()
    return scene


def captured(scene: Scene, kind: Kind, folder: Path) -> tuple[Path, str]:
    """The script that Snakemake writes for a job, which dies when it begins; and the run's id."""
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    old = scene.repository
    variables_ = {"PYTHONPATH": str(hook), "KEPT": str(folder)}
    watched = Scene(
        Repository(old.folder, old.study, {**old.variables, **variables_}), scene.study, scene.shim
    )
    said = watched.run(
        {kind: list(kind.keys)}, [Fault(kind, kind.keys[0], 1, "before")], folder / "log"
    )
    script = folder / kind.word
    assert script.is_file(), said
    planned = scene.repository.folder / Paths(scene.study).planned
    return script, json.loads(planned.read_text(encoding="utf-8"))["run"]


def strike(
    scene: Scene, kind: Kind, folder: Path, arguments: Any, *, edited: bool
) -> dict[str, str]:
    """Inject every fault of a kind of job without outcome yet; the outcomes' common columns."""
    row = {"job": kind.name, "mode": "over other results" if edited else "in an empty study"}
    work = folder / f"{kind.name} {row['mode']}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    copy = scene.copy(work / "scene")
    copy.prepare(kind, list(kind.keys), edited=edited)
    script, run = captured(copy, kind, work)
    snapshot = work / "snapshot"
    subprocess.run(["cp", "-a", str(copy.results), str(snapshot)], check=True)
    settings = {
        "study": scene.study,
        "snapshot": str(snapshot),
        "outcomes": str(folder / "outcomes.jsonl"),
        "row": row,
        "sample": arguments.sample,
        "seed": arguments.seed,
    }
    (work / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    where = {
        "LD_PRELOAD": str(scene.shim),
        "FAULTS_ROOT": f"results/{scene.study}/",
        RUN: run,
    }
    subprocess.run(
        [sys.executable, str(FORKED), str(script), str(work / "settings.json")],
        cwd=copy.repository.folder,
        env={**environment(), **variables(), **where},
        check=True,
    )
    shutil.rmtree(work)
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of faults by kind of job, and all that is wrong."""
    return {
        "machine": platform.machine(),
        "faults": len(rows),
        "wrong": [row for row in rows if "wrong" in row],
        "by_job": dict(sorted(Counter(f"{row['job']}, {row['mode']}" for row in rows).items())),
        "by_what": dict(sorted(Counter(row["what"] for row in rows).items())),
        "by_request": dict(sorted(Counter(row["at"].split()[0] for row in rows).items())),
    }


def main() -> None:
    """Inject faults into the chosen kinds of job, at all points or at some."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", default=",".join(kind.name for kind in KINDS))
    parser.add_argument("--processes", type=int, default=1, help="kinds of jobs side by side")
    parser.add_argument("--sample", type=int, default=0, help="faults of each kind of job; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shim = compiled(folder)
    if shim is None:
        raise SystemExit("this needs Linux and a C compiler")
    scene = finished(folder, shim)
    asked = [kind for kind in KINDS if kind.name in arguments.jobs.split(",")]
    ways = [(kind, edited) for kind in asked for edited in (False, True)]
    with ThreadPoolExecutor(arguments.processes) as pool:
        struck = list(
            pool.map(lambda way: strike(scene, way[0], folder, arguments, edited=way[1]), ways)
        )
    lines = (folder / "outcomes.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if any(s.items() <= row.items() for s in struck)]
    found = summary(rows)
    print(json.dumps(found, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["wrong"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
