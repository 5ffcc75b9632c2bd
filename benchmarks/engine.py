"""The engine beside what a user would pick instead, on this machine's CPU.

    python benchmarks/engine.py [--data FOLDER] [--threads 2] [--quick] [--out FILE.json]

Tuning beside TRL's SFTTrainer and transformers' Trainer, scoring beside lm-evaluation-harness,
generation beside transformers' generate: the same model (a small OLMo of 59M random weights),
items, dtype (fp32), minibatches and threads, the ways taking turns, medians of at least 5 rounds;
and how the engine's time grows. FOLDER holds real sets (`para_paws_yang2024/`, `qg_tweetqa/`, …);
without it, sets are made up with the lengths of those. `--quick` tries everything on a tiny model.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
# Hugging Face's libraries must not look for anything outside.
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch  # noqa: E402
from sides import generation, growth, scoring, table, tuning  # noqa: E402
from sides.machine import Rates, described, measure_rates  # noqa: E402
from sides.setting import MINIATURE, SMALL, Setting, make_setting  # noqa: E402

CHOICES = ("arc_easy", "arc_challenge", "openbookqa", "hellaswag", "boolq")


@dataclass(frozen=True)
class Amounts:
    """How much is measured: rounds of the comparisons and of growth, steps, items, batch sizes."""

    rounds: int
    growth_rounds: int
    steps: int
    pairs: int
    choices: int
    answers: int
    answer_tokens: int
    tuned_steps: int
    harness_batch: int
    first: int


FULL = Amounts(5, 3, 3, 64, 16, 32, 32, 60, 16, 16)
QUICK = Amounts(1, 1, 1, 8, 4, 4, 6, 2, 4, 4)


def told(results: list[Any], began: float, result: Any) -> None:
    """Keep a result, and say that it is there."""
    results.append(result)
    print(f"  {time.monotonic() - began:5.0f} s  {result['what']}", flush=True)


def comparisons(setting: Setting, amounts: Amounts, rates: Rates, began: float) -> list[Any]:
    """The engine beside the others: tuning, scoring, generation."""
    sets, rounds, batch = setting.sets, amounts.rounds, amounts.harness_batch
    found: list[Any] = []
    examples = sets["pairs"].examples(setting.encoder, 800)
    told(found, began, tuning.compare(setting, examples, amounts.steps, rounds, rates))
    few_shot = [scoring.Part(sets["pairs"], amounts.pairs, 4)]
    told(found, began, scoring.compare(setting, few_shot, batch, rounds, rates))
    choices = [scoring.Part(sets[name], amounts.choices, 0) for name in CHOICES]
    told(found, began, scoring.compare(setting, choices, batch, rounds, rates))
    model, longest = setting.loaded(), amounts.answer_tokens
    prompts = sets["questions"].prompts(model, amounts.answers, 4, longest)
    ids = [prompt.ids for prompt in prompts]
    what = "questions, 4 shots, untuned model"
    answered = generation.compare(model, what, ids, longest, amounts.answers, rounds, rates)
    told(found, began, answered)
    model = setting.loaded(tuned(setting, amounts.tuned_steps))
    prompts = sets["summaries"].prompts(model, amounts.answers, 0, 2 * longest)
    ids = [prompt.ids for prompt in prompts]
    what = "summaries, 0 shots, tuned model"
    answered = generation.compare(model, what, ids, 2 * longest, amounts.answers, rounds, rates)
    told(found, began, answered)
    return found


def tuned(setting: Setting, steps: int) -> Any:
    """The model after some steps on summaries of short texts, so that answers end as in life."""
    examples = setting.sets["summaries"].examples(setting.encoder, 800, 64)
    return tuning.trained(tuning.task_of(setting, examples, steps), 1e-3)


def grown(setting: Setting, amounts: Amounts, began: float) -> list[Any]:
    """How the engine's time grows."""
    first, rounds = amounts.first, amounts.growth_rounds
    found: list[Any] = []
    told(found, began, growth.tuning_by_length(setting, 3 * first, rounds))
    told(found, began, growth.scoring_by_items(setting, "pairs", first, rounds))
    told(found, began, growth.scoring_by_shots(setting, "pairs", 2 * first, rounds))
    told(found, began, growth.generation_by_items(setting, "questions", first // 2, 16, rounds))
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of real sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tiny model, one round each")
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(asked.threads)
    amounts = QUICK if asked.quick else FULL
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        size = MINIATURE if asked.quick else SMALL
        setting = make_setting(size, asked.data, Path(folder))
        rates = measure_rates(setting.device, torch.float32)
        results = {
            **described(setting.device),
            "sets": "real" if asked.data else "made up",
            "parameters": sum(p.numel() for p in setting.model.parameters()),
            "rates": asdict(rates),
            "comparisons": comparisons(setting, amounts, rates, began),
            "growth": grown(setting, amounts, began),
        }
    print(table.comparisons(results), table.growth(results), sep="\n\n")
    if asked.out:
        text = json.dumps(results, indent=1, ensure_ascii=False)
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
