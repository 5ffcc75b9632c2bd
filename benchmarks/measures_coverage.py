"""How often the intervals of measures.csv hold the truth: simulated models of three options.

    python benchmarks/measures_coverage.py [--studies 1000] [--out benchmarks/results/….json]

The right option's negative log-likelihood is log-normal, the wrong ones' are larger by half on
average; right answers are of three labels, of 50, 35 and 15 % of the items. Each study has one
cell of new items and 1,000 resamples. The truth is the same measure of a million items. The
standard error of a share of 1,000 studies is 0.007 at 0.95. docs/statistics.md has the figures.
"""

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
from sklearn.metrics import f1_score  # noqa: E402

from tuning_dynamics.stats.item_answers import CellItems, ItemAnswers, answers_of  # noqa: E402
from tuning_dynamics.stats.item_blocks import Resampling, block_of  # noqa: E402
from tuning_dynamics.stats.measures import measure_rows  # noqa: E402
from tuning_dynamics.stats.option_measures import Options, item_measures  # noqa: E402

SIZES = (50, 200, 1000)
SHARES = (0.5, 0.35, 0.15)
RESAMPLES = 1000
#: Items of which the truth is computed.
MANY = 1_000_000

#: A cell of evaluation; only its kind matters here.
KEY: dict[str, Any] = {
    **{"family": "f", "checkpoint": "1", "step": 1, "tokens": 1, "recipe": "base"},
    **{"train_set": "", "seed": pd.NA, "eval_set": "e", "task": "t", "kind": "classification"},
    **{"role": "", "format": "default", "shots": 0, "draw": 0, "prediction": "likelihood"},
    "metric": "accuracy",
}


def simulated(items: int, seed: int) -> ItemAnswers:
    """One cell of new items."""
    rng = np.random.default_rng([seed, items])
    gold = rng.choice(3, items, p=SHARES)
    right = np.arange(3) == gold[:, None]
    losses = np.exp(rng.normal(0.5, 0.8, size=(items, 3))) * np.where(right, 1.0, 1.5)
    options = Options(
        counts=np.full(items, 3),
        right=right.ravel(),
        characters=np.ones(3 * items, dtype=np.int64),
        size=rng.integers(3, 40, 3 * items),
    )
    scores = pa.FixedSizeListArray.from_arrays(-losses.ravel(), 3).cast(pa.list_(pa.float64()))
    answers = losses.argmin(axis=1)
    cell = CellItems(
        scores=(answers == gold).astype(float),
        answers=answers.astype(np.uint64),
        measures=item_measures(scores, options, "likelihood", "simulated"),
        truncated=0,
    )
    return answers_of([cell], np.arange(items), gold.astype(np.uint64))


def measured(items: int, seed: int, interval: Literal["percentile", "bca"]) -> pd.DataFrame:
    """measures.csv of one cell."""
    answers = simulated(items, seed)
    cells = pd.DataFrame([KEY]).astype({"seed": "Int64"})
    # Its own draws are of scores, which are left aside here.
    resampling = Resampling(RESAMPLES, 0.95, seed, interval)
    scores, none = answers.right.astype(float), cells.iloc[:0]
    block = block_of(cells, none, scores, answers.units, [0], resampling)
    return measure_rows(block, answers)


def coverage(items: int, studies: int, interval: Literal["percentile", "bca"]) -> pd.DataFrame:
    """Of each measure: share of intervals that hold the truth, of those that miss it above and
    below, and their mean width."""
    truth = truths()
    made = pd.concat([measured(items, seed, interval) for seed in range(studies)])
    known = made["measure"].map(truth)
    made = made.assign(
        coverage=(made["ci_low"] <= known) & (known <= made["ci_high"]),
        above=made["ci_high"] < known,
        below=made["ci_low"] > known,
        width=made["ci_high"] - made["ci_low"],
    )
    names = ["coverage", "above", "below", "width"]
    return made.groupby("measure")[names].mean().assign(items=items, interval=interval)


@cache
def truths() -> dict[str, float]:
    """Each measure of MANY items."""
    found = simulated(MANY, 12345)
    means = {name: float(values.mean()) for name, values in found.measures[0].items()}
    f1 = f1_score(found.gold, found.answers[:, 0], average="macro")
    return {**means, "macro_f1": float(f1)}


def main() -> None:
    """Simulate, print and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    out = ROOT / "benchmarks/results/measures_coverage.json"
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    start = time.process_time()
    rows = pd.concat(
        [
            coverage(items, options.studies, interval)
            for items in SIZES
            for interval in ("percentile", "bca")
        ]
    )
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "studies": options.studies,
        "resamples": RESAMPLES,
        "cpu_seconds": round(time.process_time() - start),
        "rows": json.loads(rows.round(4).reset_index().to_json(orient="records")),
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(rows.round(4).to_string())


if __name__ == "__main__":
    main()
