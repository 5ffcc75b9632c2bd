"""The engine against what a user would pick instead, on this machine's CPU.

    python benchmarks/engine.py [--data FOLDER] [--threads 2] [--quick] [--out FILE.json]

Tuning against TRL's SFTTrainer and transformers' Trainer, scoring against lm-evaluation-harness,
generation against transformers' generate: the same model (a small OLMo of 59M random weights),
items, dtype (fp32), minibatches and threads, alternatives interleaved, medians of 5 or more
rounds; and how the engine's time grows. FOLDER holds real sets (`para_paws_yang2024/`,
`qg_tweetqa/`, …); without it, synthetic sets have their lengths. `--quick` uses a tiny model.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402
from sides import generation, growth, scoring, table, tuning  # noqa: E402
from sides.machine import Rates, described, measure_rates  # noqa: E402
from sides.setting import (  # noqa: E402
    MINIATURE,
    SMALL,
    Given,
    Setting,
    TaskSet,
    made_sets,
    real_sets,
)
from sides.side import Side  # noqa: E402
from sides.work import shape_of  # noqa: E402

from tuning_dynamics.tune.sampler import IGNORED, Example  # noqa: E402

CHOICES = ("arc_easy", "arc_challenge", "openbookqa", "hellaswag", "boolq")


@dataclass(frozen=True)
class Amounts:
    """How much is measured.

    Rounds of comparisons and of growth; steps of tuning; items with shots, items of each set of
    multiple choice, and the harness's batch; answers and their longest; overfitted
    summaries, in how many steps; the smallest number of items where time grows.
    """

    rounds: int
    growth_rounds: int
    steps: int
    pairs: int
    choices: int
    harness_batch: int
    answers: int
    longest: int
    overfitted: int
    tuned_steps: int
    first: int


FULL = Amounts(5, 3, 3, 64, 16, 16, 32, 32, 24, 30, 16)
QUICK = Amounts(1, 1, 1, 8, 4, 4, 4, 6, 8, 2, 4)


@dataclass(frozen=True)
class Run:
    """What all measurements share; `setting` is without weights, the sides have their own."""

    ours: Side
    theirs: Side
    setting: Setting
    sets: dict[str, TaskSet]
    amounts: Amounts
    rates: Rates
    folder: Path

    def prompts(self, name: str, count: int, shots: int, longest: int) -> list[list[int]]:
        """The first prompts of a set, as token ids."""
        found = self.sets[name].prompts(self.setting.loaded(), count, shots, longest)
        return [prompt.ids for prompt in found]


def comparisons(run: Run) -> Iterator[Any]:
    """The engine against the others: tuning, scoring, generation."""
    ask, both = run.amounts, (run.ours, run.theirs)
    examples = run.sets["pairs"].examples(run.setting.encoder, 800)
    batches, shape = tuning.minibatches(examples, ask.steps), shape_of(run.setting.model)
    yield tuning.compare(*both, shape, batches, ask.rounds, run.rates)
    few_shot = [scoring.Part(run.sets["pairs"], ask.pairs, 4)]
    choices = [scoring.Part(run.sets[name], ask.choices, 0) for name in CHOICES]
    for parts in (few_shot, choices):
        batch, rounds = ask.harness_batch, ask.rounds
        yield scoring.compare(*both, run.setting, parts, batch, rounds, run.rates)
    prompts = run.prompts("questions", ask.answers, 4, ask.longest)
    asked = generation.Asked(prompts, ask.longest, ask.answers)
    what = "questions, 4 shots, untuned"
    yield generation.compare(*both, run.setting, what, asked, ask.rounds, run.rates)
    prompts, weights = tuned(run)
    asked = generation.Asked(prompts, 2 * ask.longest, len(prompts), weights)
    what = "summaries, 0 shots, tuned"
    yield generation.compare(*both, run.setting, what, asked, ask.rounds, run.rates)


def tuned(run: Run) -> tuple[list[list[int]], Path]:
    """Prompts for summaries, truncated, and weights overfitted to their answers: so answers end at
    realistic lengths, unlike with random weights."""
    examples = run.sets["summaries"].examples(run.setting.encoder, run.amounts.overfitted, 112)
    batches = tuning.minibatches(examples, run.amounts.tuned_steps)
    kept = run.folder / "tuned.pt"
    run.ours.call(tuning.by_engine, batches, 1e-3, kept)
    return [prompt_of(one) for one in examples], kept


def prompt_of(example: Example) -> list[int]:
    """The tokens of an example before its answer."""
    first = next(place for place, target in enumerate(example.targets) if target != IGNORED)
    return example.ids[: first + 1]


def grown(run: Run) -> Iterator[Any]:
    """How the engine's time grows."""
    first, rounds = run.amounts.first, run.amounts.growth_rounds
    yield growth.tuning_by_length(run.ours, 3 * first, rounds)
    yield growth.scoring_by_items(run.ours, run.sets["pairs"], first, rounds)
    yield growth.scoring_by_shots(run.ours, run.sets["pairs"], 2 * first, rounds)
    prompts = run.prompts("questions", 5 * first, 0, 16)
    yield growth.generation_by_items(run.ours, prompts, 16, 2 * first, rounds)


def listed(found: Iterator[Any], began: float) -> list[Any]:
    """All results; prints each when it is done."""
    results = []
    for result in found:
        results.append(result)
        print(f"{time.monotonic() - began:6.0f} s  {result['what']}", flush=True)
    return results


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All results, with the machine's description."""
    began = time.monotonic()
    amounts, size = (QUICK, MINIATURE) if asked.quick else (FULL, SMALL)
    tokenizer, sets = real_sets(asked.data, folder) if asked.data else made_sets(folder)
    given = Given(size, tokenizer)
    torch.set_num_threads(asked.threads)
    rates, setting = measure_rates(torch.device("cpu"), torch.float32), given.outline()
    print(f"{time.monotonic() - began:6.0f} s  sets, rates", flush=True)
    with (
        Side(given, asked.threads, ours=True) as ours,
        Side(given, asked.threads, ours=False) as theirs,
    ):
        run = Run(ours, theirs, setting, sets, amounts, rates, folder)
        return {
            **described(setting.device),
            "sets": "real" if asked.data else "made up",
            "parameters": shape_of(setting.model).weights,
            "rates": asdict(rates),
            "comparisons": listed(comparisons(run), began),
            "growth": listed(grown(run), began),
        }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of real sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tiny model, one round each")
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measured(asked, Path(folder))
    print(*(make(results) for make in table.TABLES.values()), sep="\n\n")
    if asked.out:
        text = json.dumps(results, indent=1, ensure_ascii=False)
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
