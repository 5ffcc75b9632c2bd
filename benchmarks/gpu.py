"""The engine's first run on a GPU: does it work there, is it right, how fast, and what bounds it.

    python benchmarks/gpu.py [--minutes 9] [--out FILE.jsonl]
    python benchmarks/gpu.py --miniature        # every part on a CPU, with tiny models

Each result is printed in one line and appended to the file at once. A part that fails writes its
error, and the next one begins. The most important parts come first; a part begins only where its
estimate fits the time that is left. Speed is measured on OLMo-1B's architecture with random
weights. Texts and the tokenizer are made up, and nothing is downloaded.
"""

import argparse
import contextlib
import copy
import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

BEGAN = time.monotonic()
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "pydantic", "yaml", "pyarrow")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    sys.exit(f"benchmarks/gpu.py needs these packages, which are not installed: {missing}")

import torch  # noqa: E402
from sides import machine, scoring, setting, tuning  # noqa: E402
from sides.parts import Part, Row, run_parts  # noqa: E402
from sides.setting import Setting  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from tuning_dynamics.engine.hardware import prepare_device  # noqa: E402
from tuning_dynamics.engine.loop import Batch, Progress, Scratch, Training, resume  # noqa: E402
from tuning_dynamics.engine.padding_free import IGNORED, packed  # noqa: E402
from tuning_dynamics.evaluate.generate import generate  # noqa: E402
from tuning_dynamics.evaluate.loglikelihood import Scored, log_likelihoods  # noqa: E402
from tuning_dynamics.evaluate.model import LoadedModel  # noqa: E402
from tuning_dynamics.tune.sampler import EpochBatches, Example  # noqa: E402

#: The architectures that are tried, by transformers' name, and what differs in their size.
ARCHITECTURES = {"Olmo": {}, "Olmo2": {}, "Llama": {"num_key_value_heads": 2}, "GPTNeoX": {}}
PRECISIONS = ("fp32", "tf32", "bf16")
#: Least and most tokens of short and of long texts.
SHORT, LONG = (50, 100), (300, 700)


@dataclass(frozen=True)
class Run:
    """What all parts share. In a miniature, counts are a hundredth and texts a tenth."""

    device: torch.device
    pairs: setting.TaskSet
    tokenizer: Path
    miniature: bool

    def some(self, count: int) -> int:
        """So many, or fewer in a miniature."""
        return max(2, count // 100) if self.miniature else count

    def given(self, size: dict[str, int], architecture: str = "Olmo") -> Setting:
        """A new model on the device, with its tokenizer."""
        encoder = setting.encoder_of(self.tokenizer)
        if self.miniature:
            size = {**size, **setting.MINIATURE, "hidden_size": 64}
        model = setting.build_model(size, encoder, self.device, architecture)
        return Setting(model, encoder, self.device)

    def texts(self, count: int, lengths: tuple[int, int]) -> list[list[int]]:
        """Texts of random tokens."""
        rng = random.Random(count)
        least, most = (max(2, length // 10) if self.miniature else length for length in lengths)
        return [rng.choices(range(4000), k=rng.randint(least, most)) for _ in range(count)]

    def batches(self, lengths: tuple[int, int], counted: int, rows: int = 8) -> EpochBatches:
        """Minibatches of texts, of which the last tokens count."""
        found = []
        for ids in self.texts(self.some(1000), lengths):
            ignored = max(0, len(ids) - counted)
            targets = [IGNORED] * ignored + [*ids[1:], 0][ignored:]
            found.append(Example(ids, targets, truncated=False))
        return EpochBatches(found, self.some(rows), 0)


def quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Print no line of progress."""
    return contextlib.redirect_stdout(io.StringIO())


def rates(run: Run) -> Row:
    """What the machine is, and its measured rates."""
    row = machine.described(run.device)
    matrix, copied = (256, 1 << 20) if run.miniature else (8192, 1 << 31)
    for name in PRECISIONS:
        dtype = torch.bfloat16 if name == "bf16" else torch.float32
        with machine.computing_in(name, run.device):
            found = machine.measure_rates(run.device, dtype, matrix, copied)
        row |= {f"{name}_tflops": found.products / 1e12, "copied_tb_per_s": found.copying / 1e12}
    return row


def trained(given: Setting, run: Run, stop: int = 4, kept: Scratch | None = None) -> Training:
    """A training of a copy of the model over 4 steps, or up to `stop`; from a state, if any."""
    training = tuning.training_of(copy.deepcopy(given.model), given.device, 4)
    with quiet():
        if kept is not None:
            resume(training, kept)
        training.run(run.batches(SHORT, 3).batch, stop, None)
    return training


def are_equal(first: Training, second: Training) -> bool:
    """Whether two trainings have the same losses and weights, bit for bit."""
    same = all(map(torch.equal, first.parameters, second.parameters))
    return same and first.progress.losses == second.progress.losses


def scores(model: LoadedModel, run: Run) -> list[float]:
    """Nats per token of 3 answers to each of 16 prompts that begin alike."""
    beginning, answers = run.texts(1, LONG)[0], run.texts(48, (1, 6))
    prompts = [beginning + text for text in run.texts(16, SHORT) for _ in range(3)]
    found = log_likelihoods(model, list(map(Scored, prompts, answers)), 4096)
    return [score / len(answer) for score, answer in zip(found, answers, strict=True)]


def works(architecture: str, run: Run) -> Row:
    """Whether an architecture is tuned and scored packed, and twice the same."""
    given = run.given({**setting.MINIATURE, **ARCHITECTURES[architecture]}, architecture)
    loaded = LoadedModel(given.model, given.encoder, setting.CONTEXT, run.device)
    with quiet(), packed(given.model) as tuned_packed:
        pass
    first, second = trained(given, run), trained(given, run)
    return {
        "tuned_packed": tuned_packed,
        "scored_packed": loaded.supports_packing,
        "tuned_twice_equal": are_equal(first, second),
        "scored_twice_equal": scores(loaded, run) == scores(loaded, run),
        "losses": first.progress.losses,
    }


def resumes(run: Run) -> Row:
    """Whether a run that goes on from a saved state ends as an uninterrupted one."""
    given = run.given(setting.MINIATURE)
    with tempfile.TemporaryDirectory() as folder:
        kept = Scratch(Path(folder), "gpu")
        kept.save(trained(given, run, stop=2).state())
        resumed = trained(given, run, kept=kept)
    at = resumed.progress.resumed_from
    return {"resumed_from": at, "equal": are_equal(trained(given, run), resumed)}


def values(compared: str, given: Setting, precision: str, run: Run) -> list[float]:
    """Losses or scores in a precision; scoring in bf16 has its weights in it."""
    if compared == "scores" and precision == "bf16":
        given, precision = given.in_bf16(), "fp32"
    with machine.computing_in(precision, given.device):
        if compared == "scores":
            return scores(given.loaded(), run)
        return trained(given, run).progress.losses


def right(compared: str, run: Run) -> Row:
    """Largest differences from fp32 on the CPU: relative of losses, nats per token of scores."""
    given, row = run.given(setting.SMALL), Row()
    there = replace(given, model=copy.deepcopy(given.model).cpu(), device=torch.device("cpu"))
    torch.set_num_threads(1 if run.miniature else os.cpu_count() or 1)
    expected = values(compared, there, "fp32", run)
    torch.set_num_threads(1)
    for precision in PRECISIONS:
        pairs = zip(values(compared, given, precision, run), expected, strict=True)
        scale = abs if compared == "losses" else lambda _: 1.0
        row[precision] = max(abs(found - value) / scale(value) for found, value in pairs)
    return row


def steps(lengths: tuple[int, int], counted: int, count: int, run: Run, rows: int = 8) -> Row:
    """What a step takes. The host waits for the device now and then, so that its shortest step
    bounds its own time from above; steps on texts of two tokens take hardly more than that."""
    count = run.some(count)
    warm = min(20, max(1, count // 10))
    batches, began = run.batches(lengths, counted, rows), list[float]()
    model = run.given(setting.OLMO_1B).model
    training = tuning.training_of(model, run.device, warm + count, 1e-5)

    def batch(step: int) -> Batch:
        began.append(time.perf_counter())
        return batches.batch(step)

    with quiet():
        training.run(batch, warm, None)
        training.progress = Progress(step=warm)
        training.run(batch, warm + count, None)
    taken = training.metrics("tune", "gpu")
    return {
        "step_ms": 1e3 * taken["seconds"] / count,
        "host_ms_at_most": 1e3 * min(b - a for a, b in pairwise(began[warm:])),
        "tokens_per_step": taken["tokens"] / count,
        "tokens_per_s": taken["tokens_per_second"],
        "mfu": taken["mfu"],
        "steps_2250_s": 2250 * taken["seconds"] / count,
    }


def profiled(run: Run) -> Row:
    """The kernels of a short step. A run reads its losses twenty times, and the profile lies
    between two readings. Idle is what the kernels leave of steps before it, without a profile."""
    between, kind = (1, "CPU") if run.miniature else (3, "CUDA")
    first, last, top = 10 * between, 11 * between, Counter[str]()
    batches, began = run.batches(SHORT, 2), list[float]()
    model = run.given(setting.OLMO_1B).model
    training = tuning.training_of(model, run.device, 20 * between, 1e-5)
    profiler = profile(activities=[getattr(ProfilerActivity, kind)])

    def batch(step: int) -> Batch:
        began.append(time.perf_counter())
        if step in (first, last):
            (profiler.start if step == first else profiler.stop)()
        return batches.batch(step)

    with quiet():
        training.run(batch, 20 * between, None)
    events: list[Any] = [one for one in profiler.events() if one.device_type.name == kind]
    kernels = [event for event in events if not event.is_user_annotation]
    for kernel in kernels:
        taken = kernel.self_cpu_time_total if run.miniature else kernel.time_range.elapsed_us()
        top[kernel.name[:80]] += taken / 1e3 / between
    step_ms, device_ms = 1e3 * (began[first] - began[first - 3]) / 3, top.total()
    return {
        "launches": len(kernels) / between,
        "device_ms": device_ms,
        "step_ms": step_ms,
        "idle": 1 - device_ms / step_ms,
        "top": {name: round(ms, 3) for name, ms in top.most_common(15)},
    }


def optimiser(run: Run) -> Row:
    """The optimiser and clipping alone, and the bytes per second that they move at least."""
    training = tuning.training_of(run.given(setting.OLMO_1B).model, run.device, 1)
    for parameter in training.parameters:
        parameter.grad = torch.randn_like(parameter)
    clip = partial(torch.nn.utils.clip_grad_norm_, training.parameters, 1.0)
    weights, row = sum(parameter.numel() for parameter in training.parameters), Row()
    for name, do, moved in (("adamw", training.optimiser.step, 28), ("clipping", clip, 12)):
        seconds = machine.shortest(run.device, do)
        row |= {f"{name}_ms": 1e3 * seconds, f"{name}_tb_per_s": moved * weights / seconds / 1e12}
    return row


def scored(count: int, dtype: str, run: Run) -> Row:
    """Items with 4 demonstrations, from their fields to predictions."""
    given = run.given(setting.OLMO_1B)
    given = given.in_bf16() if dtype == "bf16" else given
    part, loaded = scoring.Part(run.pairs, run.some(count), 4), given.loaded()
    scoring.by_engine(given, [replace(part, items=run.some(200))])
    seconds, scale = scoring.by_engine(given, [part])[0].wall, 8000 / part.items
    encoding = machine.timed(run.device, lambda: part.prompts(loaded))[1].wall
    return {
        "items_per_s": part.items / seconds,
        "items_8000_s": seconds * scale,
        "of_it_encoding_s": encoding * scale,
    }


def decoded(run: Run) -> Row:
    """60 tokens for each long prompt in bf16, as many rows at a time as memory holds."""
    loaded = run.given(setting.OLMO_1B).in_bf16().loaded()
    prompts, longest = run.texts(run.some(512), LONG), 6 if run.miniature else 60

    def answered(count: int, tokens: int) -> float:
        answer = partial(generate, loaded, prompts[:count], tokens, loaded.batch_tokens)
        return machine.timed(run.device, answer)[1].wall

    answered(64, longest)
    reading, seconds = answered(len(prompts), 1), answered(len(prompts), longest)
    scale = 11_000 / len(prompts)
    return {"prompts_11000_s": seconds * scale, "of_it_reading_s": reading * scale}


PARTS = [
    Part("machine", "rates", 15, rates),
    *(Part("works", name, 10, partial(works, name)) for name in ARCHITECTURES),
    Part("works", "resumed from a state", 10, resumes),
    Part("right", "losses, relative", 30, partial(right, "losses"), {"fp32": 1e-5, "bf16": 1e-3}),
    Part(
        "right", "scores, nats a token", 20, partial(right, "scores"), {"fp32": 1e-5, "bf16": 0.05}
    ),
    Part("steps", "short", 20, partial(steps, SHORT, 2, 200), {"steps_2250_s": 90}),
    Part("steps", "short, profiled", 25, profiled),
    Part("steps", "packed", 30, partial(steps, (2048, 2048), 2048, 8, rows=32), {"mfu": 0.45}),
    Part("steps", "long", 30, partial(steps, LONG, 25, 100), {"steps_2250_s": 240}),
    Part("steps", "two tokens", 15, partial(steps, (2, 2), 1, 100)),
    Part("steps", "optimiser and clipping alone", 10, optimiser),
    Part("scoring", "bf16", 25, partial(scored, 2000, "bf16"), {"items_8000_s": 30}),
    Part("decoding", "bf16", 30, decoded, {"prompts_11000_s": 180}),
    Part("scoring", "fp32", 25, partial(scored, 500, "fp32")),
    Part("whole job", "short", 120, partial(steps, SHORT, 2, 2250), {"steps_2250_s": 90}),
]


def main() -> None:
    """Measure part by part; ends with status 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--miniature", action="store_true", help="tiny models on a CPU")
    parser.add_argument("--minutes", type=float, default=9, help="time for all parts, at most 15")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/gpu.jsonl")
    asked = parser.parse_args()
    if not asked.miniature and not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py: no GPU is visible; --miniature runs the parts on a CPU")
    device = prepare_device("cpu" if asked.miniature else "cuda")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer, sets = setting.made_sets(Path(folder), ["pairs"], evaluation=2000)
        run = Run(device, sets["pairs"], tokenizer, asked.miniature)
        failed = run_parts(PARTS, run, BEGAN, 60 * min(asked.minutes, 15), asked.out)
    if failed:
        sys.exit(f"benchmarks/gpu.py: {failed} parts failed")


if __name__ == "__main__":
    main()
