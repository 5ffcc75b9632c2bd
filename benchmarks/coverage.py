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

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "workflow" / "scripts"),
    str(ROOT / "tests"),
    str(ROOT / "tests/helpers"),
]

from simulated import (  # noqa: E402
    BETAS,
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


def hierarchical(studies: int) -> Iterator[Row]:
    """Coverage over seeds and items."""
    for items in SIZES:
        for seeds in (2, 3, 5):
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
    for name, rows in (("intervals", intervals), ("hierarchical", hierarchical), ("tests", tests)):
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
