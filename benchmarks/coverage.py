"""How often the intervals hold the truth, and how often the tests reject: simulations.

    python benchmarks/coverage.py [--studies 4000] [--out benchmarks/results/coverage.json]

The simulations are those of tests/helpers/simulated.py, with more studies and sizes than the
tests have time for; docs/statistics.md has the figures. The standard error of a share of 4,000
studies is 0.003 at 0.95.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "workflow" / "scripts"),
    str(ROOT / "tests"),
    str(ROOT / "tests/helpers"),
]

from scipy.stats import binom  # noqa: E402
from simulated import (  # noqa: E402
    BETAS,
    LEVEL,
    PERMUTATIONS,
    RESAMPLES,
    Coverage,
    false_discoveries,
    over_contexts,
    over_items,
    over_seeds_and_items,
    rejected,
    rejected_over_contexts,
)
from simulated_means import (  # noqa: E402
    SPREADS,
    changes_over_draws,
    over_sets,
    shares_over_seeds,
    slopes_of_equal_formats,
)

from tuning_dynamics.stats.binomial import share_interval  # noqa: E402

METHODS = ("percentile", "bca")
SIZES = (50, 200, 1000)
#: Shifts of ability (accuracy) and of expected score (rouge_l) whose power is reported.
SHIFTS = {"accuracy": (0.1, 0.2, 0.3), "rouge_l": (0.01, 0.02, 0.03)}

Row = dict[str, Any]


def row(found: Coverage, **key: Any) -> Row:
    """A row of the result."""
    return {**key, "coverage": round(found.share, 4), "width": round(found.width, 4)}


def intervals(studies: int) -> Iterator[Row]:
    """Coverage over items, and over contexts."""
    for items in SIZES:
        for method in METHODS:
            for data in ("accuracy 0.3", "accuracy 0.1", *BETAS):
                yield row(
                    over_items(method, data, items, studies),
                    **{"units": "items", "data": data, "n": items, "method": method},
                )
            yield row(
                over_contexts(method, items, studies),
                **{"units": "contexts", "data": "accuracy", "n": items, "method": method},
            )
        naive = over_contexts("percentile", items, studies, clustered=False)
        yield row(naive, units="items that share contexts", n=items, method="percentile")


def exact_shares(studies: int) -> Iterator[Row]:
    """Coverage of intervals of shares, exactly: at a share, and on average and at least within
    .005 of it. No study is simulated."""
    del studies
    for items in (30, 120, 500, 5000):
        low, high = share_interval(np.arange(items + 1), items, LEVEL)
        counts = np.arange(items + 1)
        for share in (0.005, 0.01, 0.05, 0.5, 0.95, 0.99, 0.995):
            near = np.clip(np.linspace(share - 0.005, share + 0.005, 201), 1e-5, 1 - 1e-5)
            held = [
                float(binom.pmf(counts, items, one)[(low <= one) & (one <= high)].sum())
                for one in (share, *near)
            ]
            yield {
                "n": items,
                "share": share,
                "coverage": round(held[0], 4),
                "mean_near": round(float(np.mean(held[1:])), 4),
                "least_near": round(min(held[1:]), 4),
            }


def seeds_near_the_ends(studies: int) -> Iterator[Row]:
    """Coverage of shares over seeds and items."""
    for items in (30, 120, 500):
        for share in (0.01, 0.05, 0.3, 0.95):
            for seeds in (2, 3, 4, 5, 10):
                for spread, ease in ((0.0, 0.7), (0.1, 0.3), (0.3, 0.7)):
                    found = shares_over_seeds(
                        items, share, seeds, studies, spread=spread, ease=ease
                    )
                    key = {"n": items, "share": share, "seeds": seeds}
                    yield row(found, **key, spread=spread, ease=ease)


def changes(studies: int) -> Iterator[Row]:
    """Coverage of changes over seeds of tuning, draws of demonstrations and items."""
    for items in (30, 120, 500):
        for shares in ((0.05, 0.1), (0.3, 0.5), (0.5, 0.98)):
            for seeds, draws in ((1, 1), (3, 1), (1, 3), (1, 5), (3, 3), (5, 3), (10, 5), (2, 3)):
                spreads = (0.15 if draws > 1 else 0.0, 0.1 if seeds > 1 else 0.0)
                found = changes_over_draws(items, shares, seeds, draws, studies, spreads=spreads)
                key = {"n": items, "base": shares[0], "tuned": shares[1]}
                yield row(found, **key, seeds=seeds, draws=draws)


def sets(studies: int) -> Iterator[Row]:
    """Coverage of means and ratios over train sets and evaluation sets."""
    for train_sets in range(2, 9):
        for eval_sets in (4, 5, 8, 16):
            for spread in SPREADS:
                found = over_sets(train_sets, eval_sets, spread, studies)
                key = {"train_sets": train_sets, "eval_sets": eval_sets, "spread": spread}
                yield row(found, of="mean", **key)
            found = over_sets(train_sets, eval_sets, (0.5, 0.5, 1.0), studies, ratio=True)
            yield row(found, of="ratio", train_sets=train_sets, eval_sets=eval_sets)


def formats(studies: int) -> Iterator[Row]:
    """Coverage of 0 by slopes of spreads over equal formats."""
    for items in (60, 120, 500):
        for checkpoints in (3, 6):
            for number in (2, 3, 5):
                found = slopes_of_equal_formats(items, checkpoints, number, studies // 4)
                yield row(found, n=items, checkpoints=checkpoints, formats=number)


def hierarchical(studies: int) -> Iterator[Row]:
    """Coverage over seeds and items."""
    for items in SIZES:
        for seeds in (2, 3, 5, 10):
            for spread in (0.0, 0.03, 0.1, 0.3):
                for change in (False, True):
                    found = over_seeds_and_items(
                        "percentile", seeds, items, studies, spread=spread, change=change
                    )
                    what = "change" if change else "score"
                    yield row(found, of=what, n=items, seeds=seeds, spread=spread)


def tests(studies: int) -> Iterator[Row]:
    """False-positive rates, and power."""
    for items in SIZES:
        for data, shifts in SHIFTS.items():
            for shift in (0.0, *shifts):
                share = rejected(data, items, studies, shift=shift)
                yield {"data": data, "n": items, "shift": shift, "rejected": round(share, 4)}
        for clustered in (True, False):
            share = rejected_over_contexts(items, studies, clustered=clustered)
            what = "contexts" if clustered else "items that share contexts"
            yield {"data": what, "n": items, "shift": 0.0, "rejected": round(share, 4)}


def main() -> None:
    """Simulate, print each row as it is done, and write all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/coverage.json")
    options = parser.parse_args()
    begun = time.process_time()
    found: Row = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "studies": options.studies,
        "resamples": RESAMPLES,
        "permutations": PERMUTATIONS,
    }
    kinds = {
        "exact_shares": exact_shares,
        "intervals": intervals,
        "hierarchical": hierarchical,
        "shares_over_seeds": seeds_near_the_ends,
        "changes": changes,
        "sets": sets,
        "formats": formats,
        "tests": tests,
    }
    for name, rows in kinds.items():
        found[name] = []
        for one in rows(options.studies):
            print(json.dumps(one), flush=True)
            found[name].append(one)
    false, real = false_discoveries(100, 20, max(1, options.studies // 20))
    found["false_discoveries"] = {"share": round(false, 4), "real_found": round(real, 4)}
    found["cpu_seconds"] = round(time.process_time() - begun, 1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["false_discoveries"]), found["cpu_seconds"], "CPU seconds")


if __name__ == "__main__":
    main()
