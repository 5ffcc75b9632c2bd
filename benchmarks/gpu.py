"""The engine on one GPU, beside what is installed of TRL, lm-evaluation-harness and vLLM.

    python benchmarks/gpu.py [--minutes 9] [--out FILE.json]
    python benchmarks/gpu.py --miniature        # the same on a CPU, with a model of a few weights

OLMo-1B's architecture with random weights: tuning 3 epochs of 6,000 examples of about 75 and of
about 500 tokens, instruction tuning on packed rows of 2,048 tokens, scoring 8,000 prompts with 4
demonstrations, 60 tokens for each of 11,000 prompts of about 500 tokens. A part of each is
measured after a warm-up and scaled, and the first of them run whole where time allows. Nothing is
downloaded: texts and the tokenizer are made up. Compared with others one after another, as the
GPU is nobody else's.
"""

import argparse
import contextlib
import copy
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "pydantic", "yaml", "pyarrow")
MISSING = [name for name in NEEDED if find_spec(name) is None]
if MISSING:
    sys.exit(f"benchmarks/gpu.py needs these packages, which are not installed: {MISSING}")

import torch  # noqa: E402
from sides import generation, scoring, tuning  # noqa: E402
from sides.machine import Rates, Taken, described, measure_rates, timed  # noqa: E402
from sides.setting import MINIATURE, OLMO_1B, Given, Setting, made_sets  # noqa: E402
from sides.side import Side  # noqa: E402
from sides.work import Shape, generating, shape_of  # noqa: E402
from sides.work import tuning as tuning_work  # noqa: E402

from tuning_dynamics.engine.hardware import PEAK_FLOPS, device_name, peak_memory_mb  # noqa: E402
from tuning_dynamics.engine.loop import Schedule, Settings, Training  # noqa: E402
from tuning_dynamics.evaluate.model import FullPrecisionHead  # noqa: E402
from tuning_dynamics.tune.sampler import IGNORED, Example  # noqa: E402


@dataclass(frozen=True)
class Amounts:
    """What is measured of each: steps of short, long and packed texts after `warm` others,
    prompts scored, prompts answered; the share of scoring that the others do, their batch, the
    steps of a short and a long run of TRL. `lengths` are the least and
    most tokens of a long text, `row` those of a packed one. `whole` are the sizes that the times
    are scaled to: examples x epochs, prompts scored, prompts answered."""

    warm: int
    short: int
    long: int
    packed: int
    packed_batch: int
    scored: int
    answered: int
    answer: int
    lengths: tuple[int, int]
    row: int
    others: float
    batch: int
    trl_steps: tuple[int, int]
    whole: tuple[int, int, int]


FULL = Amounts(
    20, 200, 80, 6, 32, 8000, 2048, 60, (300, 700), 2048, 0.1, 128, (10, 60), (18_000, 8000, 11_000)
)
SMALL = Amounts(1, 2, 1, 1, 2, 16, 8, 6, (50, 110), 128, 0.5, 4, (1, 2), (48, 16, 24))

#: Seconds that a whole job may take on an H200.
BARS = {"tuning, short": 90, "tuning, long": 240, "scoring": 30, "generation": 180}


def made_examples(count: int, least: int, most: int, answer: int) -> list[Example]:
    """Examples of random tokens, their lengths spread evenly; the last `answer` tokens count."""
    rng = random.Random(least)
    found = []
    for _ in range(count):
        text = [rng.randrange(4000) for _ in range(rng.randint(least, most) + 1)]
        targets = [IGNORED] * (len(text) - 1 - answer) + text[-answer:]
        found.append(Example(text[:-1], targets, truncated=False))
    return found


# --- what the sides' processes do ---------------------------------------------------------------


def rates_here(setting: Setting) -> Rates:
    """The device's rates in bf16."""
    return measure_rates(setting.device, torch.bfloat16)


def name_here(setting: Setting) -> str:
    """The device's name."""
    return device_name(setting.device)


def peak_here(setting: Setting) -> float:
    """Largest memory in GB since the last call."""
    peak = peak_memory_mb(setting.device) / 1e3
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return peak


def tune(setting: Setting, examples: list[Example], warm: int, steps: int, batch: int) -> Taken:
    """What `steps` of tuning take after `warm` others, by the engine."""
    settings = Settings(
        schedule=Schedule(1e-5, warm + steps, 0.0, "linear"),
        weight_decay=0.0,
        clip_norm=1.0,
        betas=(0.9, 0.999),
        seed=0,
        micro_batch=8,
        save_seconds=1e9,
    )
    model = copy.deepcopy(setting.model)
    training = Training(model, settings, setting.device, what="benchmark", file="benchmarks")
    batches = tuning.EpochBatches(examples, batch, 0)
    with contextlib.redirect_stdout(io.StringIO()):
        training.run(batches.batch, warm, None)
        last = warm + steps
        return timed(setting.device, lambda: training.run(batches.batch, last, None))[1]


def tune_by_trl(
    setting: Setting, examples: list[Example], steps: tuple[int, int], changes: dict[str, Any]
) -> Taken:
    """The same by TRL: a long run less a short one, so that its set-up does not count."""
    if changes.get("padding_free"):
        setting = replace(setting, model=copy.deepcopy(setting.model))
        setting.model.set_attn_implementation("flash_attention_2")
    short, long = (
        tuning.by_trl(setting, tuning.minibatches(examples, count), changes)[0] for count in steps
    )
    return Taken(long.wall - short.wall, long.cpu - short.cpu)


def in_half(setting: Setting, *, head_too: bool = False) -> Setting:
    """The setting with the weights in bf16 as a study evaluates it: the head stays in fp32, and so
    do the angles of rotation."""
    model = copy.deepcopy(setting.model)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    if not head_too:
        model.set_output_embeddings(FullPrecisionHead(model.get_output_embeddings()))
    return replace(setting, model=model)


def score(setting: Setting, parts: list[scoring.Part]) -> Taken:
    """Scoring by the engine."""
    half = in_half(setting)
    scoring.by_engine(half, [replace(part, items=8) for part in parts])
    return scoring.by_engine(half, parts)[0]


def batch_by_harness(setting: Setting, part: scoring.Part) -> tuple[Taken, int]:
    """lm-evaluation-harness' own search for a batch size."""
    return scoring.batch_by_harness(in_half(setting, head_too=True), part)


def score_by_harness(setting: Setting, parts: list[scoring.Part], batch: int) -> Taken:
    """Scoring by lm-evaluation-harness."""
    half = in_half(setting, head_too=True)
    scoring.by_harness(half, [replace(part, items=8) for part in parts], batch)
    return scoring.by_harness(half, parts, batch)[0]


def answer(setting: Setting, prompts: list[list[int]], longest: int) -> Taken:
    """Generation by the engine, as many rows at a time as it finds memory for."""
    model = in_half(setting).loaded()
    warm = prompts[: len(prompts) // 8]
    generation.generate(model, warm, longest, model.batch_tokens)
    return timed(
        setting.device,
        lambda: generation.generate(model, prompts, longest, model.batch_tokens),
    )[1]


def answer_by_transformers(
    setting: Setting, prompts: list[list[int]], longest: int, batch: int
) -> Taken:
    """Generation by transformers, in full batches, after one that is not counted."""
    half = in_half(setting, head_too=True)
    generation.by_transformers(half, generation.Asked(prompts[:batch], longest, batch))
    return generation.by_transformers(half, generation.Asked(prompts, longest, batch))[0]


def answer_by_vllm(setting: Setting, prompts: list[list[int]], longest: int) -> Taken:
    """Generation by vLLM, its loading left out."""
    from vllm import LLM, SamplingParams

    with tempfile.TemporaryDirectory() as folder:
        in_half(setting, head_too=True).model.save_pretrained(folder)
        setting.model.to("cpu")
        torch.cuda.empty_cache()
        engine = LLM(model=folder, skip_tokenizer_init=True, dtype="bfloat16")
    settings = SamplingParams(temperature=0, max_tokens=longest, ignore_eos=True, detokenize=False)
    texts = [{"prompt_token_ids": prompt} for prompt in prompts]
    return timed(setting.device, lambda: engine.generate(texts, settings))[1]


# --- the run -------------------------------------------------------------------------------------


@dataclass
class Run:
    """The measurements so far, and until when others may begin."""

    until: float
    rates: Rates
    rows: list[dict[str, Any]]

    def add(
        self,
        what: str,
        by: str,
        side: Side,
        scale: float,
        limit: dict[str, float],
        measure: Callable[[], Taken],
        needs: float = 0.0,
    ) -> float | None:
        """Measure, keep and print one; None where time is short. `scale` times the seconds
        measured is the whole job, `limit` its physical limit, `needs` the seconds it may take."""
        if time.monotonic() + needs > self.until:
            print(f"{what}, {by}: left out, time is short", flush=True)
            return None
        taken = measure()
        seconds = taken.wall * scale
        row = {
            "what": what,
            "by": by,
            "seconds": seconds,
            "measured_seconds": taken.wall,
            "bar": BARS.get(what),
            "limit": limit,
            "share_of_limit": limit["seconds"] / seconds,
            "peak_gb": side.call(peak_here),
        }
        self.rows.append(row)
        print(line(row), flush=True)
        return seconds


def line(row: dict[str, Any]) -> str:
    """A row of the table, as text."""
    bar = f"bar {row['bar']} s" if row["bar"] else ""
    return (
        f"{row['what']:<18} {row['by']:<28} {row['seconds']:9.1f} s whole "
        f"({row['measured_seconds']:.1f} s measured)  {row['share_of_limit']:6.1%} of the limit  "
        f"{row['peak_gb']:6.1f} GB  {bar}"
    )


@dataclass(frozen=True)
class Work:
    """What is given to all sides, with each job's physical limit."""

    short: list[Example]
    long: list[Example]
    packed: list[Example]
    parts: list[scoring.Part]
    prompts: list[list[int]]
    limits: dict[str, dict[str, float]]


def work_of(setting: Setting, sets: dict[str, Any], ask: Amounts, rates: Rates) -> Work:
    """The rows and prompts; `setting` needs no weights."""
    shape = shape_of(setting.model)
    half = replace(shape, bytes_each=2)
    short, long = made_examples(6000, 50, 100, 2), made_examples(6000, *ask.lengths, 25)
    packed = made_examples(2 * ask.packed_batch, ask.row, ask.row, ask.row)
    parts = [scoring.Part(sets["pairs"], ask.scored, 4)]
    rng = random.Random(1)
    lengths = [rng.randint(*ask.lengths) for _ in range(ask.answered)]
    prompts = [[rng.randrange(4000) for _ in range(length)] for length in lengths]
    model = setting.loaded()
    scored = sum(scoring.needed(half, part, part.prompts(model)) for part in parts)
    answers = generating(half, prompts, [ask.answer] * len(prompts), len(prompts))
    read = shape.weights * half.bytes_each
    examples, to_score, to_answer = ask.whole
    limits = {
        "tuning, short": _tuning_limit(shape, short, examples, rates),
        "tuning, long": _tuning_limit(shape, long, examples, rates),
        "tuning, packed": _tuning_limit(shape, packed, 2 * ask.packed_batch, rates),
        "scoring": rates.limit(scored * to_score / ask.scored, read),
        "generation": rates.limit(
            answers[0] * to_answer / len(prompts), answers[1] * to_answer / len(prompts)
        ),
    }
    return Work(short, long, packed, parts, prompts, limits)


def _tuning_limit(
    shape: Shape, examples: list[Example], wanted: int, rates: Rates
) -> dict[str, float]:
    """The limit of `wanted` examples like these, 8 a step."""
    rows = [(len(one.ids), sum(t >= 0 for t in one.targets)) for one in examples]
    flops, moved = tuning_work(shape, rows, len(rows) // 8)
    return rates.limit(flops * wanted / len(rows), moved * wanted / len(rows))


def our_runs(run: Run, side: Side, work: Work, ask: Amounts) -> None:
    """All by the engine."""
    name, limits = "this engine", work.limits
    jobs = {"tuning, short": (work.short, ask.short), "tuning, long": (work.long, ask.long)}
    estimates = {}
    for what, (examples, steps) in jobs.items():
        scale = ask.whole[0] / (8 * steps)
        measure = lambda e=examples, s=steps: side.call(tune, e, ask.warm, s, 8)  # noqa: E731
        estimates[what] = run.add(what, name, side, scale, limits[what], measure)
    measure = lambda: side.call(tune, work.packed, 1, ask.packed, ask.packed_batch)  # noqa: E731
    scale = 2 / ask.packed
    seconds = run.add("tuning, packed", name, side, scale, limits["tuning, packed"], measure)
    if seconds is not None:
        tell_utilisation(run, side, work, seconds)
    scale = ask.whole[1] / ask.scored
    measure = lambda: side.call(score, work.parts)  # noqa: E731
    run.add("scoring", name, side, scale, limits["scoring"], measure)
    scale = ask.whole[2] / len(work.prompts)
    measure = lambda: side.call(answer, work.prompts, ask.answer)  # noqa: E731
    run.add("generation", name, side, scale, limits["generation"], measure)
    steps, needs = ask.whole[0] // 8, (estimates["tuning, short"] or 1e9) * 1.1
    measure = lambda: side.call(tune, work.short, 0, steps, 8)  # noqa: E731
    limit = limits["tuning, short"]
    run.add("tuning, short", f"{name}, whole", side, 1.0, limit, measure, needs)


def tell_utilisation(run: Run, side: Side, work: Work, seconds: float) -> None:
    """Print and keep the model FLOPs utilisation of packed rows: work needed over peak."""
    name = side.call(name_here)
    if name in PEAK_FLOPS:
        share = work.limits["tuning, packed"]["flops"] / seconds / PEAK_FLOPS[name]
        run.rows[-1]["mfu"] = share
        print(f"tuning, packed: {share:.1%} model FLOPs utilisation (bar 45 %)", flush=True)


def other_runs(run: Run, side: Side, work: Work, ask: Amounts, device: str) -> None:
    """What is installed of the others, on a smaller share of each."""
    if _installed("trl", "datasets"):
        trl_runs(run, side, work, ask, {"bf16": device == "cuda"})
    if _installed("lm_eval"):
        harness_runs(run, side, work, ask, device)
    limit, name = work.limits["generation"], "model.generate"
    prompts = work.prompts[: 2 * ask.batch]
    scale = ask.whole[2] / len(prompts)
    asked = (prompts, ask.answer, ask.batch)
    measure = lambda: side.call(answer_by_transformers, *asked)  # noqa: E731
    run.add("generation", f"{name}, batch {ask.batch}", side, scale, limit, measure, 30)
    if device == "cuda" and _installed("vllm"):
        scale = ask.whole[2] / len(work.prompts)
        measure = lambda: side.call(answer_by_vllm, work.prompts, ask.answer)  # noqa: E731
        run.add("generation", "vLLM", side, scale, limit, measure, 120)


def trl_runs(run: Run, side: Side, work: Work, ask: Amounts, dtype: dict[str, bool]) -> None:
    """TRL as it comes, without checkpointing, and without padding where it can."""
    ways = {"TRL, padded": tuning.PADDED, "TRL, its default": {}}
    if find_spec("flash_attn") is not None:
        ways = {"TRL, padding-free": tuning.FLAT, **ways}
    counted = ask.trl_steps[1] - ask.trl_steps[0]
    for what, examples in {"tuning, short": work.short, "tuning, long": work.long}.items():
        for by, changes in ways.items():
            asked = (examples, ask.trl_steps, {**changes, **dtype})
            measure = lambda asked=asked: side.call(tune_by_trl, *asked)  # noqa: E731
            scale = ask.whole[0] / (8 * counted)
            run.add(what, by, side, scale, work.limits[what], measure, 30)


def harness_runs(run: Run, side: Side, work: Work, ask: Amounts, device: str) -> None:
    """lm-evaluation-harness with the batch size that it finds, and the finding itself apart."""
    items, batch, limit = int(ask.scored * ask.others), ask.batch, work.limits["scoring"]
    parts = [replace(part, items=items) for part in work.parts]
    if device == "cuda":
        taken, batch = side.call(batch_by_harness, parts[0])
        print(f"lm-evaluation-harness found a batch of {batch} in {taken.wall:.1f} s", flush=True)
    name, scale = f"lm-evaluation-harness, batch {batch}", ask.whole[1] / items
    measure = lambda: side.call(score_by_harness, parts, batch)  # noqa: E731
    run.add("scoring", name, side, scale, limit, measure, 60)


def _installed(*names: str) -> bool:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        print(f"left out, not installed: {', '.join(missing)}", flush=True)
    return not missing


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All results, with the machine's description."""
    began = time.monotonic()
    if not asked.miniature and not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py: no GPU is visible; --miniature runs the same on a CPU")
    device = "cpu" if asked.miniature else "cuda"
    ask, size = (SMALL, MINIATURE) if asked.miniature else (FULL, OLMO_1B)
    tokenizer, sets = made_sets(folder, ["pairs"], evaluation=ask.scored)
    given = Given(size, tokenizer, device)
    threads = 2 if asked.miniature else torch.get_num_threads()
    with Side(given, threads, ours=True) as side:
        rates = side.call(rates_here)
        print(f"{rates.products / 1e12:.2f} TFLOP/s, {rates.copying / 1e12:.3f} TB/s", flush=True)
        side.call(peak_here)
        run = Run(began + 60 * asked.minutes, rates, [])
        work = work_of(given.outline(), sets, ask, rates)
        print(f"{time.monotonic() - began:.0f} s: set up", flush=True)
        our_runs(run, side, work, ask)
    with Side(given, threads, ours=False) as side:
        other_runs(run, side, work, ask, device)
    print(f"\n{time.monotonic() - began:.0f} s in all", *map(line, run.rows), sep="\n")
    return {
        **described(torch.device(device)),
        "parameters": shape_of(given.outline().model).weights,
        "rates": asdict(rates),
        "rows": run.rows,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--miniature", action="store_true", help="a tiny model on a CPU")
    parser.add_argument("--minutes", type=float, default=9, help="begin nothing after so many")
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measured(asked, Path(folder))
    if asked.out:
        text = json.dumps(results, indent=1, ensure_ascii=False)
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
