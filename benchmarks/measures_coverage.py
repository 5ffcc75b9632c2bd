"""How often the intervals of measures.csv hold the truth: simulated models of three options.

    python benchmarks/measures_coverage.py [--studies 1000] [--changes] [--out …/….json]

The right option's negative log-likelihood is log-normal, the wrong ones' are larger by half on
average; right answers are of three labels, of 50, 35 and 15 % of the items. Each study has one
cell of new items, and for changes by tuning a second one, in which an item's losses are those of
the first but for a factor; 1,000 resamples. The truth is the same measure of a million items. The
standard error of a share of 1,000 studies is 0.007 at 0.95. `--changes` measures changes alone and
keeps the rest of the results. docs/statistics.md has the figures.
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
from tuning_dynamics.tables.columns import KEY_COLUMNS  # noqa: E402

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


#: The tuned cell: its losses are those of the base by a log-normal factor, which is less for the
#: right option.
TUNED: dict[str, Any] = {**KEY, "recipe": "full", "train_set": "t", "seed": 0, "role": "ood"}


def simulated(items: int, seed: int, *, tuned: bool = False) -> ItemAnswers:
    """One cell of new items; with `tuned`, a second one of a tuned model."""
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
    cells = [_cell(losses, gold, options)]
    if tuned:
        factor = np.exp(rng.normal(0.0, 0.4, size=(items, 3)) - 0.2 * right)
        cells.append(_cell(losses * factor, gold, options))
    return answers_of(cells, np.arange(items), gold.astype(np.uint64))


def _cell(losses: Any, gold: Any, options: Options) -> CellItems:
    flat = pa.FixedSizeListArray.from_arrays(-losses.ravel(), 3)
    scores = flat.cast(pa.list_(pa.float64()))
    answers = losses.argmin(axis=1)
    return CellItems(
        scores=(answers == gold).astype(float),
        answers=answers.astype(np.uint64),
        measures=item_measures(scores, options, "likelihood", "simulated"),
        truncated=0,
        commonest=0.0,
    )


def measured(
    items: int, seed: int, interval: Literal["percentile", "bca"], *, tuned: bool = False
) -> pd.DataFrame:
    """measures.csv of one cell, or of a base cell and a tuned one."""
    answers = simulated(items, seed, tuned=tuned)
    keys = [KEY, TUNED] if tuned else [KEY]
    cells = pd.DataFrame(keys).astype({"seed": "Int64"}).assign(path="")
    # Its own draws are of scores, which are left aside here.
    block = block_of(
        cells,
        cells.iloc[:0][list(KEY_COLUMNS)],
        answers.right.astype(float),
        answers.units,
        Resampling(RESAMPLES, 0.95, seed, interval),
        truncated=[0] * len(keys),
        commonest=[0.0] * len(keys),
        answers=answers,
    )
    return measure_rows(block, answers)


def coverage(items: int, studies: int, interval: Literal["percentile", "bca"]) -> pd.DataFrame:
    """Of each measure: share of intervals that hold the truth, of those that miss it above and
    below, and their mean width."""
    made = pd.concat([measured(items, seed, interval) for seed in range(studies)])
    found = _covered(made, ("ci_low", "ci_high"), truths())
    return found.assign(items=items, interval=interval)


def change_coverage(items: int, studies: int) -> pd.DataFrame:
    """The same of changes by tuning."""
    made = pd.concat([measured(items, seed, "percentile", tuned=True) for seed in range(studies)])
    changes = made[made["change"].notna()]
    found = _covered(changes, ("change_low", "change_high"), true_changes())
    return found.assign(items=items)


def _covered(made: pd.DataFrame, ends: tuple[str, str], truth: dict[str, float]) -> pd.DataFrame:
    low, high = (made[name] for name in ends)
    known = made["measure"].map(truth)
    made = made.assign(
        coverage=(low <= known) & (known <= high),
        above=high < known,
        below=low > known,
        width=high - low,
    )
    names = ["coverage", "above", "below", "width"]
    return made.groupby("measure")[names].mean()


@cache
def truths() -> dict[str, float]:
    """Each measure of MANY items."""
    found = simulated(MANY, 12345)
    means = {name: float(values.mean()) for name, values in found.measures[0].items()}
    f1 = f1_score(found.gold, found.answers[:, 0], average="macro")
    return {**means, "macro_f1": float(f1)}


@cache
def true_changes() -> dict[str, float]:
    """Each measure's change, of MANY items."""
    before, after = simulated(MANY, 12345, tuned=True).measures
    return {name: float((after[name] - before[name]).mean()) for name in before}


def main() -> None:
    """Simulate, print and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    out = ROOT / "benchmarks/results/measures_coverage.json"
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--changes", action="store_true")
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.changes else _of_means(options.studies)
    start = time.process_time()
    rows = pd.concat([change_coverage(items, options.studies) for items in SIZES])
    found["changes"] = _result(rows, options.studies, start)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(rows.round(4).to_string())


def _of_means(studies: int) -> dict[str, Any]:
    start = time.process_time()
    rows = pd.concat(
        [
            coverage(items, studies, interval)
            for items in SIZES
            for interval in ("percentile", "bca")
        ]
    )
    print(rows.round(4).to_string())
    return _result(rows, studies, start)


def _result(rows: pd.DataFrame, studies: int, start: float) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "studies": studies,
        "resamples": RESAMPLES,
        "cpu_seconds": round(time.process_time() - start),
        "rows": json.loads(rows.round(4).reset_index().to_json(orient="records")),
    }


if __name__ == "__main__":
    main()
