"""A small synthetic study for the tests of the plan."""

from pathlib import Path
from typing import Any

import yaml

from tuning_dynamics.config.device import device_of
from tuning_dynamics.config.load import load_study
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.budget import Budget, budget_of
from tuning_dynamics.plan.price import Job

ROOT = Path(__file__).parents[2]

FAMILY: dict[str, Any] = {
    "source": "hub",
    "repo": "a/b",
    "revision": "step{step}",
    "available": [10, 20],
    "tokens_per_step": 1000,
    "checkpoints": {"all": True},
    "size": {
        "parameters": 1e9,
        "layers": 16,
        "hidden_size": 2048,
        "vocab_size": 50000,
        "context": 2048,
    },
}


#: What the formats of a task show.
FIELDS = {"nli": ("a", "b"), "summary": ("text",), "multiple_choice": ("question",)}


def dataset(task: str, **size: Any) -> dict[str, Any]:
    """A dataset on the hub, with a size."""
    described: dict[str, Any] = {
        "task": task,
        "domain": "d",
        "licence": "none",
        "source": {"hub": {"id": "a/b", "splits": {"train": "train", "evaluation": "test"}}},
        "size": {"train": 1000, "evaluation": 500, "prompt_tokens": 100, **size},
    }
    if task != "instruction":
        described["fields"] = {name: name for name in FIELDS[task]}
    if task == "nli":
        described["gold"] = {"field": "label", "labels": {"0": "entailment", "1": "neutral"}}
    if task == "instruction":
        described["messages"] = "messages"
    if task in ("summary", "multiple_choice"):
        described["gold"] = {"field": "answer"}
    if task == "multiple_choice":
        described["options"] = "options"
    return described


FILES: dict[str, dict[str, Any]] = {
    "families/big": FAMILY,
    "datasets/pairs": dataset("nli"),
    "datasets/texts": dataset("summary", answer_tokens=30),
    "datasets/choices": dataset("multiple_choice", options=4, answer_tokens=10),
    "datasets/talk": dataset("instruction"),
    "recipes/once": {"stages": [{"id": "tune", "optim": {"lr": 1e-5, "epochs": 1}}]},
    "recipes/select": {
        "stages": [
            {
                "id": "tune",
                "optim": {"lr": {"candidates": [1e-5, 1e-6], "heldout": 0.2}, "epochs": 1},
            }
        ]
    },
    "recipes/small": {
        "stages": [{"id": "tune", "train": {"lora": {}}, "optim": {"lr": 1e-4, "epochs": 1}}]
    },
}

BASE: dict[str, Any] = {"family": "big", "checkpoints": "last", "recipes": ["base"]}


def study(
    folder: Path, *blocks: dict[str, Any], files: dict[str, Any] | None = None, **keys: Any
) -> ResolvedStudy:
    """A study of blocks on a catalogue of FILES with some replaced."""
    for name, document in {**FILES, **(files or {})}.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    config = {
        "study": "priced",
        "catalogue": [str(ROOT / "config"), str(folder)],
        "blocks": list(blocks) or [{**BASE, "eval_sets": ["pairs"]}],
        "statistics": {"main_recipe": "once"},
        **keys,
    }
    return load_study(config, ROOT, "study.yaml")


def basis(resolved: ResolvedStudy) -> Basis:
    """The basis of the study's plan: equations alone."""
    return Basis(device_of(resolved.study, ROOT))


def budget_for(resolved: ResolvedStudy, jobs: list[Job] | None = None) -> Budget:
    """The budget of jobs, or of the whole study."""
    grid = expand(resolved, "study.yaml")
    jobs = all_jobs(resolved, grid) if jobs is None else jobs
    return budget_of(resolved, grid, jobs, basis(resolved))


TUNED: dict[str, Any] = {
    "family": "big",
    "checkpoints": "last",
    "recipes": ["once"],
    "train_sets": ["pairs"],
    "eval_sets": ["pairs"],
}
