"""How the engine's time grows, over a decade of each: texts' tokens, items, shots."""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from sides import generation, scoring, tuning
from sides.machine import Taken, interleaved
from sides.setting import Setting
from tuning_dynamics.engine.loop import IGNORED, Batch

#: A decade in equal ratios.
DECADE = (1.0, 2.15, 4.64, 10.0)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log seconds on log size, by least squares: 1 where time is in proportion."""
    x, y = [math.log(size) for size in sizes], [math.log(second) for second in seconds]
    return statistics.linear_regression(x, y).slope


def measure(what: str, sizes: Sequence[int], run: Callable[[int], Taken], rounds: int) -> Any:
    """Median seconds at each size, the sizes taking turns, and the exponent over the decade."""
    run(sizes[0])
    found = interleaved({str(size): lambda size=size: run(size) for size in sizes}, rounds)
    seconds = [statistics.median(taken.wall for taken in found[str(size)]) for size in sizes]
    cpu = [statistics.median(taken.cpu for taken in found[str(size)]) for size in sizes]
    return {
        "what": what,
        "sizes": list(sizes),
        "seconds": seconds,
        "exponent": exponent(sizes, seconds),
        "cpu_exponent": exponent(sizes, cpu),
        "last_by_first": seconds[-1] / seconds[0],
    }


def decade(first: int) -> list[int]:
    """Sizes over a decade from the first."""
    return [round(first * step) for step in DECADE]


def tuning_by_length(setting: Setting, first: int, rounds: int) -> Any:
    """A step on 8 texts of so many tokens each, of which the last tenth counts."""
    rng = random.Random(0)

    def run(length: int) -> Taken:
        count = max(2, length // 10)
        ids = [[rng.randrange(1000) for _ in range(length)] for _ in range(tuning.BATCH)]
        targets = [[IGNORED] * (length - count) + row[-count:] for row in ids]
        batches = [Batch(ids, targets)] * 2
        task = tuning.Task(setting.model, setting.encoder, setting.device, batches)
        return tuning.by_engine(task)[0]

    return measure("tuning: tokens of a text", decade(first), run, rounds)


def tuning_by_steps(setting: Setting, examples: Any, first: int, rounds: int) -> Any:
    """So many steps on the same set."""

    def run(steps: int) -> Taken:
        return tuning.by_engine(tuning.task_of(setting, examples, steps))[0]

    return measure("tuning: steps", decade(first), run, rounds)


def scoring_by_items(setting: Setting, name: str, first: int, rounds: int) -> Any:
    """So many items after 4 demonstrations."""
    model = setting.loaded()

    def run(items: int) -> Taken:
        return scoring.by_engine(model, scoring.Part(setting.sets[name], items, 4))[0]

    return measure("scoring, 4 shots: items", decade(first), run, rounds)


def scoring_by_shots(setting: Setting, name: str, items: int, rounds: int) -> Any:
    """The same items after 2 to 20 demonstrations."""
    model = setting.loaded()

    def run(shots: int) -> Taken:
        return scoring.by_engine(model, scoring.Part(setting.sets[name], items, shots))[0]

    return measure(f"scoring {items} items: shots", decade(2), run, rounds)


def generation_by_items(setting: Setting, name: str, first: int, longest: int, rounds: int) -> Any:
    """So many answers, without demonstrations."""
    model = setting.loaded()

    def run(items: int) -> Taken:
        prompts = [p.ids for p in setting.sets[name].prompts(model, items, 0, longest)]
        return generation.by_engine(model, prompts, longest, 32)[0]

    return measure("generation: items", decade(first), run, rounds)
