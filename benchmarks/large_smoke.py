"""One checkpoint of OLMo-1B's size through tuning and evaluation, on this machine's GPU.

    python benchmarks/large_smoke.py --tokenizer tokenizer.json --folder FOLDER
    python benchmarks/large_smoke.py --tokenizer tokenizer.json --folder FOLDER --miniature

writes a checkpoint with the real architecture and random weights, as a user's own folder; tunes it
for 100 steps of 8 examples through the workflow, evaluates the untuned and the tuned model, and
prints what each job took. Random weights score at chance: it shows speed and memory, not quality.
With --miniature the model is small enough for a CPU.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import OlmoConfig, OlmoForCausalLM

ROOT = Path(__file__).resolve().parents[1]
STEPS, BATCH = 100, 8

#: OLMo-1B as published: 16 blocks of width 2048, 1.18e9 weights.
FULL = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
    "max_position_embeddings": 2048,
}
MINIATURE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
WORDS = ("river", "house", "baker", "morning", "letter", "garden", "window", "market", "road")


def write_checkpoint(folder: Path, tokenizer: Path, size: dict[str, int]) -> None:
    """A folder as `save_pretrained` leaves it, with random weights."""
    torch.manual_seed(0)
    config = OlmoConfig(**size, vocab_size=50304, eos_token_id=50279, pad_token_id=1)
    OlmoForCausalLM(config).save_pretrained(folder)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")


def write_rows(path: Path, count: int, seed: int) -> None:
    """Sentence pairs of about 75 tokens, as in paraphrase sets."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        first, second = (" ".join(rng.choices(WORDS, k=30)) for _ in range(2))
        same = rng.random() < 0.5
        rows.append({"a": first, "b": first if same else second, "label": "yes" if same else "no"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_study(folder: Path) -> Path:
    """A catalogue with one family, dataset and recipe, and the study that joins them."""
    files: dict[str, Any] = {
        "families/large.yaml": {
            "source": "local",
            "path": str(folder / "checkpoint_{step}"),
            "tokens_per_step": 4194304,
            "checkpoints": {"steps": [1]},
        },
        "datasets/pairs.yaml": {
            "task": "paraphrase",
            "domain": "generated",
            "licence": "generated",
            "source": {
                "files": {
                    "train": str(folder / "train.jsonl"),
                    "evaluation": str(folder / "evaluation.jsonl"),
                }
            },
            "fields": {"a": "a", "b": "b"},
            "gold": {"field": "label", "labels": {"yes": "yes", "no": "no"}},
            "duplicates": "drop",
        },
        "recipes/hundred.yaml": {
            "stages": [{"id": "tune", "optim": {"lr": 2e-6, "epochs": 1, "batch_size": BATCH}}]
        },
    }
    for name, document in files.items():
        path = folder / "catalogue" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    block = {"family": "large", "checkpoints": "all", "eval_sets": ["pairs"]}
    study = {
        "study": "large_smoke",
        "catalogue": ["config", str(folder / "catalogue")],
        "data": {"train_items": STEPS * BATCH},
        "statistics": {"main_recipe": "hundred"},
        "blocks": [
            {**block, "recipes": ["base"], "shots": [0, 4]},
            {**block, "recipes": ["hundred"], "train_sets": ["pairs"]},
        ],
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def show(results: Path) -> None:
    """Print what each job took and what was scored."""
    for table, columns in (
        ("cost", ("stage", "job", "seconds", "peak_memory_mb", "tokens", "tokens_per_second")),
        ("scores", ("recipe", "eval_set", "shots", "n", "score", "ci_low", "ci_high")),
    ):
        with (results / "tables" / f"{table}.csv").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        print(f"\n{table}.csv: {', '.join(columns)}")
        for row in rows:
            print("  ".join(row[column] for column in columns))


def main() -> None:
    """Write, run, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="a tokenizer.json")
    parser.add_argument("--folder", type=Path, required=True, help="where to work; 20 GB")
    parser.add_argument("--miniature", action="store_true", help="a small model, for a CPU")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"GPU: {torch.cuda.get_device_name() if torch.cuda.is_available() else 'none'}")
    write_checkpoint(
        folder / "checkpoint_1", asked.tokenizer, MINIATURE if asked.miniature else FULL
    )
    write_rows(folder / "train.jsonl", STEPS * BATCH + 200, seed=1)
    write_rows(folder / "evaluation.jsonl", 60 if asked.miniature else 1000, seed=2)
    study = write_study(folder)
    command = ["snakemake", "--cores", "2", "--configfile", str(study), "--quiet", "rules"]
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)
    show(ROOT / "results" / "large_smoke")


if __name__ == "__main__":
    main()
