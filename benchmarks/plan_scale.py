"""Plan studies of 1,000, 10,000 and 100,000 cells, and measure time and memory.

    python benchmarks/plan_scale.py --folder FOLDER [--cells 1000 10000 100000] [--parts 12]

The studies are config/studies/pythia_410m.yaml shrunk or grown: families (seeds of pre-training),
checkpoints, seeds of tuning. Each is planned by `snakemake -n` with the default profile, in a copy
of the repository without results in FOLDER. Reports are of `parse`, a dry run of a small job, which
is what a job on a cluster pays before it begins; of `plan`, a dry run of the whole study; and with
--parts of a dry run of the first of this many parts. CPU seconds are the process's own; wall
seconds depend on the load of the machine. Linux only.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from tuning_dynamics.config.load import load_study  # noqa: E402
from tuning_dynamics.run.all_jobs import Jobs  # noqa: E402

FAMILIES = ["pythia_410m", *(f"pythia_410m_seed{number}" for number in range(1, 10))]
SETS = [
    *("arc_easy", "arc_challenge", "openbookqa", "hellaswag", "sciq_mc", "boolq"),
    *("mnli", "rte", "gpt3_nli", "paws", "qqp", "stsb"),
]
#: The steps that every family has.
STEPS = [
    *(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    *(step for step in range(1000, 144000, 1000) if step not in (40000, 88000, 111000)),
]
#: By about how many cells: families, checkpoints, checkpoints that are tuned, seeds of tuning.
GROWN = {
    1_000: (1, 77, 3, 1),
    10_000: (5, 151, 8, 1),
    20_000: (10, 151, 8, 1),
    50_000: (10, 151, 14, 10),
    100_000: (10, 151, 34, 10),
}


def study(cells: int) -> dict[str, Any]:
    """A study of about this many cells."""
    families, points, tuned, seeds = GROWN[cells]
    shared = {"family": FAMILIES[:families], "eval_sets": SETS}
    steps = STEPS[-points:]
    return {
        "study": f"scale_{cells}",
        "evaluate": {"truncation": "input"},
        "statistics": {"main_recipe": "full_select"},
        "keep_weights": "none",
        "blocks": [
            {**shared, "checkpoints": steps, "recipes": ["base"]},
            {
                **shared,
                "checkpoints": steps[:: len(steps) // tuned][:tuned],
                "recipes": ["full_select"],
                "train_sets": ["mnli", "paws"],
                "seeds": list(range(seeds)),
            },
        ],
    }


def copy(folder: Path) -> None:
    """Copy what a dry run needs into a folder."""
    for part in ("workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "Snakefile", folder / "Snakefile")


def run(folder: Path, name: str, *arguments: str) -> dict[str, float]:
    """Jobs, seconds and peak resident GiB of a dry run in the folder; RuntimeError with its
    output if it fails."""
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", f"{name}.yaml", *arguments]
    with (folder / f"{name}.txt").open("w+") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        output.seek(0)
        text = output.read()
    total = re.search(r"^total +(\d+)$", text, re.M)
    if status != 0 or total is None:
        raise RuntimeError(text[-2000:])
    return {
        "jobs": int(total[1]),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "wall_seconds": round(wall, 1),
        "peak_gib": round(usage.ru_maxrss / 2**20, 2),
    }


def measure(folder: Path, cells: int, parts: int) -> Iterator[dict[str, Any]]:
    """Figures of the runs of one size, each as it is done."""
    document = study(cells)
    name = document["study"]
    (folder / f"{name}.yaml").write_text(json.dumps(document), encoding="utf-8")
    grid = Jobs(load_study(document, ROOT, name), name).grid
    # One small job, for which cells are not enumerated.
    runs = {"parse": ["--", f"results/{name}/data/mnli/items.parquet"], "plan": []}
    if parts:
        runs[f"part 1/{parts}"] = ["--config", f"part=1/{parts}"]
    for what, arguments in runs.items():
        yield {"cells": len(grid.cells), "run": what, **run(folder, name, *arguments)}


def main() -> None:
    """Measure each size, and print each run as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--cells", type=int, nargs="+", choices=GROWN, default=[1_000, 10_000, 100_000]
    )
    parser.add_argument("--parts", type=int, default=0)
    options = parser.parse_args()
    copy(options.folder)
    for cells in options.cells:
        for figures in measure(options.folder, cells, options.parts):
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
