"""Plan studies of 1,000, 10,000 and 100,000 cells, and measure time and memory.

    python benchmarks/plan_scale.py --folder FOLDER [--cells 1000 10000 100000] [--parts 24]

The studies are config/studies/pythia_410m.yaml grown or shrunk: families (seeds of pre-training),
checkpoints, seeds of tuning, train sets and formats. Each is planned by `snakemake -n --quiet` with
the default profile, in a copy of the repository without results in FOLDER. Told are, of a process
of its own each: parse, a dry run of one small job (what a job on a cluster pays before it begins);
plan, a dry run of the whole study; and with --parts, a dry run of the first of so many parts.
CPU seconds are the process's own, wall seconds depend on who else uses the machine. Linux only.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import yaml

from tuning_dynamics.study.grid import expand
from tuning_dynamics.study.jobs import Jobs
from tuning_dynamics.study.load import load_study

FAMILIES = ["pythia_410m", *(f"pythia_410m_seed{number}" for number in range(1, 10))]
SETS = (
    "arc_easy arc_challenge openbookqa hellaswag sciq_mc boolq mnli rte gpt3_nli paws qqp stsb"
).split()
#: About so many cells: families, steps that are tuned ("all": every one), seeds, train sets.
GROWN: dict[int, tuple[int, list[int] | str, list[int], list[str]]] = {
    1_000: (1, [143000], [0, 1, 2], ["mnli", "paws"]),
    10_000: (5, [512, 16000, 143000], [0, 1, 2], ["mnli", "paws"]),
    100_000: (10, "all", [0, 1, 2], ["mnli", "paws"]),
}


def study(cells: int) -> dict[str, Any]:
    """A study of about so many cells."""
    families, steps, seeds, train_sets = GROWN[cells]
    shared = {"family": FAMILIES[:families], "eval_sets": SETS}
    tuned = {"recipes": ["full_select"], "train_sets": train_sets, "seeds": seeds}
    base_steps: list[int] | str = "all" if cells > 1_000 else list(range(1000, 76000, 1000))
    if base_steps != "all" and steps != "all":
        base_steps = sorted({*base_steps, *steps})
    few = {"eval_sets": SETS[:9]} if steps == "all" else {}
    return {
        "study": f"scale_{cells}",
        "evaluate": {"truncation": "input"},
        "statistics": {"main_recipe": "full_select"},
        "keep_weights": "none",
        "blocks": [
            {**shared, "checkpoints": base_steps, "recipes": ["base"]},
            {**shared, "checkpoints": steps, **tuned, **few},
        ],
    }
