"""How the engine's time grows, over a decade of each: texts' tokens, items, shots."""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from sides import generation, scoring, tuning
from sides.machine import Taken, interleaved
from sides.setting import TaskSet
from sides.side import Side
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


def tuning_by_length(ours: Side, first: int, rounds: int) -> Any:
    """Two steps on 8 texts of so many tokens each, of which the last tenth counts."""
    rng = random.Random(0)

    def run(length: int) -> Taken:
        count = max(2, length // 10)
        ids = [[rng.randrange(1000) for _ in range(length)] for _ in range(tuning.BATCH)]
        targets = [[IGNORED] * (length - count) + row[-count:] for row in ids]
        return ours.call(tuning.by_engine, [Batch(ids, targets)] * 2)[0]

    return measure("tuning: tokens of a text", decade(first), run, rounds)


def scoring_by_items(ours: Side, pairs: TaskSet, first: int, rounds: int) -> Any:
    """So many items after 4 demonstrations."""

    def run(items: int) -> Taken:
        return ours.call(scoring.by_engine, [scoring.Part(pairs, items, 4)])[0]

    return measure("scoring, 4 shots: items", decade(first), run, rounds)


def scoring_by_shots(ours: Side, pairs: TaskSet, items: int, rounds: int) -> Any:
    """The same items after 2 to 20 demonstrations."""

    def run(shots: int) -> Taken:
        return ours.call(scoring.by_engine, [scoring.Part(pairs, items, shots)])[0]

    return measure(f"scoring, {items} items: shots", decade(2), run, rounds)


def generation_by_items(
    ours: Side, prompts: list[list[int]], longest: int, batch: int, rounds: int
) -> Any:
    """Answers to a tenth of the prompts, to more, to all."""

    def run(items: int) -> Taken:
        asked = generation.Asked(prompts[:items], longest, batch)
        return ours.call(generation.by_engine, asked)[0]

    return measure("generation: items", decade(len(prompts) // 10), run, rounds)
