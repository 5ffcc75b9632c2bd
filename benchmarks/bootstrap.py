"""The bootstrap of a study's cells in one pass, against a loop of scipy's over a sample of them.

    python benchmarks/bootstrap.py [--out benchmarks/results/bootstrap.json]

2,000 cells of 2,000 items each, 3,000 resamples, percentile and BCa, in one process and on one
thread; scipy's loop takes the first cells of the same scores and is reported per cell. Intervals of
the two are compared before anything is reported. Then the job of the rule scores: five tables from
as many files of records, a base and three seeds of a recipe at each checkpoint, scored by ROUGE-L
against references of 25 words. Memory at its
peak is reported beyond what is resident before (imports and the scores themselves), and of the
process as a whole. CPU seconds are the process's own; wall seconds depend on the load of the
machine. Linux only.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# One thread for both sides; numpy reads this when it is imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import scipy  # noqa: E402
from scipy.stats import bootstrap  # noqa: E402

from tuning_dynamics.stats.bootstrap import (  # noqa: E402
    Floats,
    accelerations,
    bca_interval,
    interval_of,
    means,
    resampled_means,
)
from tuning_dynamics.stats.cell_tables import cell_tables  # noqa: E402

SEED, LEVEL = 0, 0.95
#: Words of a reference, and size of the vocabulary.
WORDS, VOCABULARY = 25, 3000
BASE = {
    **{"family": "f", "tokens": 0, "recipe": "base", "train_set": "", "seed": None},
    **{"eval_set": "e", "task": "t", "kind": "generation", "role": "", "format": "default"},
    **{"shots": 4, "draw": 0, "prediction": "greedy", "metric": "rouge_l"},
}


def scores(items: int, cells: int) -> Floats:
    """Scores (items, cells), half of the cells 0 or 1, half with values between."""
    generator = np.random.default_rng(1)
    difficulty = generator.uniform(size=(items, 1))
    ability = generator.uniform(0.2, 0.8, size=(1, cells))
    exact = (generator.uniform(size=(items, cells)) < (ability + difficulty) / 2).astype(float)
    between = generator.beta(2, 5, size=(items, cells))
    return np.where(np.arange(cells) % 2 == 0, exact, between)


def one_pass(values: Floats, resamples: int, method: str) -> Floats:
    """Our intervals of all cells, shape (cells, 2)."""
    sizes: Floats = np.ones(len(values))
    drawn = resampled_means(values, sizes, resamples, SEED)
    if method == "percentile":
        return interval_of(drawn, LEVEL)
    return bca_interval(drawn, means(values, sizes), accelerations(values, sizes), LEVEL)


def loop(values: Floats, resamples: int, method: str, batch: int | None) -> Floats:
    """scipy's intervals of all cells, one by one, shape (cells, 2)."""
    found = [
        bootstrap(
            (column,),
            np.mean,
            n_resamples=resamples,
            batch=batch,
            confidence_level=LEVEL,
            method=method,
            rng=np.random.default_rng(SEED),
        ).confidence_interval
        for column in values.T
    ]
    return np.array([[ends.low, ends.high] for ends in found])


def resident_mib() -> float:
    """Memory of this process in MiB, as it is now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def timed(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """A result, with its seconds and peak MiB."""
    # Resets the peak, which the kernel then counts from here.
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return result, {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "peak_mib": round(peak - before, 1),
        "process_peak_mib": round(peak, 1),
    }


def measure(method: str, values: Floats, resamples: int, sample: int) -> dict[str, Any]:
    """Both sides by one method; AssertionError if their intervals differ."""
    ours, one = timed(lambda: one_pass(values, resamples, method))
    sides: dict[str, Any] = {"method": method, "one_pass": one, "sample": sample}
    share = sample / values.shape[1]
    # scipy by default draws all resamples of a cell at once; batches save memory.
    for name, batch in (("scipy", None), ("scipy_batch_100", 100)):
        theirs, other = timed(
            lambda batch=batch: loop(values[:, :sample], resamples, method, batch)
        )
        furthest = float(np.abs(theirs - ours[:sample]).max())
        assert furthest < 1e-12, furthest
        times = {
            clock: round(other[clock] / share / one[clock], 1)
            for clock in ("wall_seconds", "cpu_seconds")
        }
        sides[name] = {**other, "furthest_apart": furthest, "times_slower": times}
    return sides


def write_records(folder: Path, values: Floats) -> list[dict[str, Any]]:
    """A file of records for each column, and the cells: base and three seeds a checkpoint.

    An answer has as many of its reference's words as give a ROUGE-L of about its value.
    """
    items = len(values)
    generator = np.random.default_rng(2)
    words = [f"word{number}" for number in range(VOCABULARY)]
    references = [list(generator.choice(words, WORDS)) for _ in range(items)]
    others = list(generator.choice(words, WORDS))
    names = [f"item-{number:06d}" for number in range(items)]
    shared = {
        "item": names,
        "context": names,
        "prompt_digest": ["0" * 16] * items,
        "truncated": [False] * items,
        "gold": [[" ".join(reference)] for reference in references],
        "option_scores": pa.array([[]] * items, pa.list_(pa.float64())),
    }
    table = pa.table(shared)
    cells = []
    for number, column in enumerate(values.T):
        path = folder / f"{number}.parquet"
        right = (column * WORDS).round().astype(int)
        answers = [
            " ".join([*reference[:place], *others[place:]])
            for reference, place in zip(references, right, strict=True)
        ]
        pq.write_table(table.append_column("prediction", pa.array(answers)), path)
        step, seed = divmod(number, 4)
        tuned = {"recipe": "full", "train_set": "t", "seed": seed, "role": "id", "shots": 0}
        cells.append({**BASE, "step": step, "checkpoint": str(step), "path": path})
        if seed:
            cells[-1] |= tuned
    return cells


def measure_tables(values: Floats, resamples: int) -> dict[str, float]:
    """The job of the rule scores on as many files as `values` has columns."""
    with TemporaryDirectory() as folder:
        cells = write_records(Path(folder), values)
        tables, found = timed(
            lambda: cell_tables(cells, resamples=resamples, level=LEVEL, seed=SEED)
        )
    return {**found, **{f"{name}_rows": len(table) for name, table in tables.items()}}


def main() -> None:
    """Measure both methods, print and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/bootstrap.json")
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=3000)
    parser.add_argument("--sample", type=int, default=40)
    options = parser.parse_args()
    values = scores(options.items, options.cells)
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread used",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "cells": options.cells,
        "items": options.items,
        "resamples": options.resamples,
        "bootstrap": [
            measure(method, values, options.resamples, options.sample)
            for method in ("percentile", "bca")
        ],
        "tables": measure_tables(values, options.resamples),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
