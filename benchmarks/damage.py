"""Each kind of file in a finished study, damaged in four ways: is it noticed, and what follows?

    python benchmarks/damage.py FOLDER [--files cell,rate] [--sample 10] [--seed 1]
        [--out benchmarks/results/damage.json]

A study of tiny models (pre-trained here, from a hub on this machine, from local folders; full
tuning, adapters at chosen rates) is run once in FOLDER. In a copy of it a file has one bit flipped,
is truncated to half, is swapped with another of its kind, or holds something else, with its old
times. The next plan must name a small file as the reason of its job. For weights and files next to
them, a job that reads them is made due; it may end with an error, whose fix is then applied. The
same command must then restore every file, except clocks, and leave nothing to do.

FOLDER/outcomes.jsonl gets a line per case; the same command continues from it.
"""

import argparse
import json
import platform
import random
import shutil
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "workflow/scripts"),
    str(ROOT / "tests"),
    str(ROOT / "tests/helpers"),
    str(ROOT / "tests/workflow"),
]

from hub.models import publish_models  # noqa: E402
from hub.server import Hub  # noqa: E402
from injection.damage import HOWS, Subject, check  # noqa: E402
from injection.faults import CLOCKED, Reference, Scene  # noqa: E402
from repository import Repository, clone  # noqa: E402
from tiny import save_checkpoint  # noqa: E402

STUDY = "tests/damage.yaml"

FAMILIES = {
    "made": """\
source: pretrain
corpus: {world: true}
architecture:
  {vocab_size: 512, hidden_size: 16, intermediate_size: 32, layers: 1, heads: 2, context: 512}
training: {steps: 40, batch_size: 4, sequence_length: 64, lr: 3e-3}
checkpoints: {steps: [20, 40]}
heldout: 4
""",
    "fetched": """\
source: hub
repo: tiny/neox
revision: step{step}
tokens_per_step: 1.0e+8
checkpoints: {steps: [10, 20]}
""",
    "converted": """\
source: hub
repositories: {20: tiny/pickled}
tokens_per_step: 1.0e+8
checkpoints: {all: true}
pickles: true
""",
    "local": """\
source: local
path: "{data_root}/{step}"
tokens_per_step: 100
checkpoints: {steps: [1, 2]}
""",
}
RECIPES = {
    "plain": "stages:\n  - {id: tune, optim: {lr: 1e-3, epochs: 1}}\n",
    "adapted": """\
stages:
  - id: tune
    train: {lora: {r: 2, alpha: 4}}
    optim: {lr: {candidates: [1e-3, 2e-3], heldout: 0.2}, epochs: 1}
""",
}
CONFIG = """\
study: damage
catalogue: [config, tests/catalogue]
data_root: DATA
world: {people: 32, documents: 400}
data: {train_items: 24, evaluation_items: 6}
statistics: {resamples: 100, main_recipe: plain}
execution: {device: cpu}
evaluate: {truncation: demonstrations, text_tokens: 4}
blocks:
  - {family: [made, fetched, local], checkpoints: all, recipes: [base], eval_sets: [facts_qa]}
  - {family: converted, checkpoints: all, recipes: [base], eval_sets: [facts_qa]}
  - family: made
    checkpoints: all
    recipes: [plain, adapted]
    train_sets: [nli_people, paraphrase_people]
    eval_sets: [facts_qa, nli_people]
"""

#: A variant of each recipe, and another; the cells that read their weights.
PLAIN, OTHER = "made/20/plain/nli_people/seed0", "made/40/plain/nli_people/seed0"
ADAPTED, ADAPTED_OTHER = "made/20/adapted/nli_people/seed0", "made/40/adapted/nli_people/seed0"
CELL = "cells/facts_qa/default/0shot/likelihood.parquet"


def weights(name: str, folder: str, other: str, variant: str, rule: str) -> Subject:
    """A file of a folder of weights, which a cell of a variant reads."""
    return Subject(f"{name}", folder, other, rule, (f"{variant}/{CELL}",))


def subjects_of(folder: str, other: str, variant: str, rule: str, *names: str) -> list[Subject]:
    """Files in a folder of weights."""
    return [
        weights(f"{name} ({rule})", f"{folder}/{name}", f"{other}/{name}", variant, rule)
        for name in names
    ]


def subjects() -> list[Subject]:
    """Each kind of file that a study has."""
    table = "tables/{}.{}".format
    records = [
        Subject(
            f"record ({one.split('/')[0]})",
            f"records/{one}.json",
            f"records/{other}.json",
            one.split("/")[0],
        )
        for one, other in (
            (f"tune/{PLAIN}", f"tune/{OTHER}"),
            ("pretrain/made/20", "pretrain/made/40"),
            ("verify/fetched/10", "verify/fetched/20"),
            ("freeze/facts_qa", "freeze/nli_people"),
            ("scores/all", "summaries/all"),
            ("corpus/made", "merged_config/all"),
            (f"evaluate/{PLAIN}", f"evaluate/{OTHER}"),
        )
    ]
    return [
        Subject(
            "manifest (pretrain)",
            *(f"made/{s}/checkpoint/manifest.json" for s in (20, 40)),
            "pretrain",
        ),
        Subject(
            "manifest (hub)", *(f"fetched/{s}/checkpoint/manifest.json" for s in (10, 20)), "verify"
        ),
        Subject(
            "manifest (local)", *(f"local/{s}/checkpoint/manifest.json" for s in (1, 2)), "verify"
        ),
        Subject("manifest (tune)", f"{PLAIN}/manifest.json", f"{OTHER}/manifest.json", "tune"),
        Subject(
            "manifest (adapter)",
            f"{ADAPTED}/manifest.json",
            f"{ADAPTED_OTHER}/manifest.json",
            "tune",
        ),
        Subject("metrics (tune)", f"{PLAIN}/metrics.json", f"{OTHER}/metrics.json", "tune"),
        Subject(
            "metrics (pretrain)",
            *(f"made/{s}/checkpoint/metrics.json" for s in (20, 40)),
            "pretrain",
        ),
        *subjects_of(
            "made/20/checkpoint/weights",
            "made/40/checkpoint/weights",
            "made/20/base",
            "pretrain",
            "model.safetensors",
            "config.json",
            "tokenizer.json",
        ),
        *subjects_of(
            f"{PLAIN}/weights",
            f"{OTHER}/weights",
            PLAIN,
            "tune",
            "model.safetensors",
            "config.json",
            "tokenizer.json",
        ),
        *subjects_of(
            f"{ADAPTED}/weights",
            f"{ADAPTED_OTHER}/weights",
            ADAPTED,
            "tune",
            "adapter_model.safetensors",
            "adapter_config.json",
        ),
        *subjects_of(
            "converted/20/checkpoint/safetensors",
            f"{PLAIN}/weights",
            "converted/20/base",
            "verify",
            "model.safetensors",
            "config.json",
        ),
        Subject(
            "state (pretrain)",
            "made/20/checkpoint/state.pt",
            "made/40/checkpoint/state.pt",
            "pretrain",
        ),
        Subject(
            "download", *(f"fetched/{s}/checkpoint/download.json" for s in (10, 20)), "download"
        ),
        Subject("corpus", "made/corpus/tokens.npy", "data/nli_people/items.parquet", "corpus"),
        Subject(
            "tokenizer (corpus)", "made/corpus/tokenizer.json", f"{PLAIN}/manifest.json", "corpus"
        ),
        Subject(
            "items",
            *(f"data/{name}/items.parquet" for name in ("facts_qa", "nli_people")),
            "freeze",
        ),
        Subject(
            "data manifest",
            *(f"data/{name}/manifest.json" for name in ("facts_qa", "nli_people")),
            "freeze",
        ),
        Subject(
            "tokens",
            *(
                f"data/{name}/tokens/made/default.arrow"
                for name in ("nli_people", "paraphrase_people")
            ),
            "encode",
        ),
        Subject(
            "token counts",
            *(
                f"data/{name}/tokens/made/default.json"
                for name in ("nli_people", "paraphrase_people")
            ),
            "encode",
        ),
        Subject(
            "trial",
            *(f"made/rates/adapted/nli_people/{rate}.json" for rate in ("0.001", "0.002")),
            "try_rate",
        ),
        Subject(
            "rate",
            *(
                f"made/rates/adapted/{name}/rate.json"
                for name in ("nli_people", "paraphrase_people")
            ),
            "choose_rate",
        ),
        Subject("cell (base)", f"made/20/base/{CELL}", f"made/40/base/{CELL}", "evaluate"),
        Subject("cell (tuned)", f"{PLAIN}/{CELL}", f"{ADAPTED}/{CELL}", "evaluate"),
        Subject("table of cells (csv)", table("scores", "csv"), table("changes", "csv"), "scores"),
        Subject(
            "table of cells (parquet)",
            table("scores", "parquet"),
            table("changes", "parquet"),
            "scores",
        ),
        Subject("summary (csv)", table("transfer", "csv"), table("noise", "csv"), "summaries"),
        Subject(
            "summary (parquet)",
            table("transfer", "parquet"),
            table("noise", "parquet"),
            "summaries",
        ),
        Subject(
            "checkpoints (csv)",
            table("checkpoints", "csv"),
            table("datasets", "csv"),
            "checkpoints",
        ),
        Subject("findings (csv)", table("findings", "csv"), table("cost", "csv"), "findings"),
        Subject("config", "config.yaml", table("scores", "csv"), "merged_config"),
        Subject("report", "report.html", "findings.html", "report"),
        Subject(
            "figure (svg)", "figures/made/in_domain.svg", "figures/made/forgetting.svg", "figures"
        ),
        Subject(
            "figure (pdf)", "figures/made/in_domain.pdf", "figures/made/forgetting.pdf", "figures"
        ),
        *records,
    ]


def finished(folder: Path, variables: dict[str, str]) -> Scene:
    """The study, run from start to end; a finished one is reused."""
    scene = Scene(Repository(folder / "base", STUDY, variables), "damage", Path("none"))
    if (folder / "finished").exists():
        return scene
    clone(folder / "base", STUDY)
    for seed in (1, 2):
        save_checkpoint(folder / "data" / str(seed), seed=seed)
    catalogue = scene.repository.folder / "tests" / "catalogue"
    for kind, files in (("families", FAMILIES), ("recipes", RECIPES)):
        for name, text in files.items():
            (catalogue / kind / f"{name}.yaml").write_text(text, encoding="utf-8")
    text = CONFIG.replace("DATA", str(folder / "data"))
    (scene.repository.folder / STUDY).write_text(text, encoding="utf-8")
    scene.repository.succeed()
    (folder / "finished").touch()
    return scene


def clocked(scene: Scene, work: Path) -> Reference:
    """The finished study, and those of its files that differ between equal runs."""
    copy = scene.copy(work / "forced")
    copy.repository.succeed("--forceall")
    again, files = copy.contents(), scene.contents()
    shutil.rmtree(copy.repository.folder)
    other = {name for name in files if files[name] != again.get(name)}
    volatile = frozenset(other | {name for name in files if any(part in name for part in CLOCKED)})
    return Reference(files, volatile, {})


def main() -> None:
    """Check the chosen cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", default="", help="parts of names of files; all without it")
    parser.add_argument("--sample", type=int, default=0, help="cases; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with ExitStack() as stack:
        published = (folder / "repositories").exists()
        hub = stack.enter_context(Hub(folder / "repositories"))
        if not published:
            publish_models(hub)
        scene = finished(folder, {**hub.environment(folder / "home"), "HF_HUB_OFFLINE": "0"})
        rows = check_all(scene, folder, arguments)
    found = summary(rows, time.monotonic() - began)
    print(json.dumps(found, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["wrong"]:
        raise SystemExit(1)


def check_all(scene: Scene, folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every chosen case that has no outcome yet; returns all outcomes."""
    clean = clocked(scene, folder)
    print(f"other bytes in each run: {', '.join(sorted(clean.volatile))}", flush=True)
    wanted = [name for name in arguments.files.split(",") if name]
    chosen = [
        (subject, how)
        for subject in subjects()
        for how in HOWS
        if not wanted or any(name in subject.name for name in wanted)
    ]
    if arguments.sample:
        chosen = random.Random(arguments.seed).sample(chosen, min(arguments.sample, len(chosen)))
    path = folder / "outcomes.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {(row["file"], row["how"]): row for row in map(json.loads, lines)}
    for subject, how in chosen:
        if (subject.name, how) in known:
            continue
        copy = scene.copy(folder / "damaged")
        finding = check(copy, subject, how, clean)
        shutil.rmtree(copy.repository.folder)
        row = finding.as_json() if finding else {"file": subject.name, "how": how, "ended": "same"}
        known[subject.name, how] = row
        print(subject.name, how, row["ended"], *row.get("wrong", []), sep="\n  ", flush=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
    return [known[subject.name, how] for subject, how in chosen]


def summary(rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Counts of cases, and all that is wrong."""
    cases = [row for row in rows if row["ended"] != "same"]
    return {
        "machine": platform.machine(),
        "seconds": round(seconds),
        "cases": len(cases),
        "files": len({row["file"] for row in cases}),
        "by_how": dict(sorted(Counter(row["how"] for row in cases).items())),
        "by_end": dict(sorted(Counter(row["ended"] for row in cases).items())),
        "wrong": [row for row in cases if "wrong" in row],
    }


if __name__ == "__main__":
    main()
