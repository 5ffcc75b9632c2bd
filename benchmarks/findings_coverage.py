"""How often the findings claim what is not there, and find what is: many synthetic studies.

    python benchmarks/findings_coverage.py [--grid demo planted olmo_1b]
        [--studies 2000 2000 300] [--processes 1] [--out benchmarks/results/findings_coverage.json]

Each study is the grid of a shipped study, or that of tests/helpers/planted.yaml, with planted
scores in place of models' (tests/helpers/planted.py): other items, other train sets, pairs, models
and demonstrations every time. With nothing planted, a claim is false that an effect lies on one
side of 0; `upper` is the upper 95 % bound of its rate (Clopper and Pearson), and `excluded` the
share of studies that exclude an effect as large as the study's margin, as they should. With effects
planted, in a tenth as many studies, `found` is the share with the right verdict, `wrong` that with
the opposite one. `covered` is the share of intervals that hold the planted value.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import beta

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "workflow" / "scripts"),
    str(ROOT / "tests"),
    str(ROOT / "tests/helpers"),
]

from planted import (  # noqa: E402
    NOTHING,
    Planted,
    PlantedJobs,
    planted_jobs,
    published_findings,
)

FILES = {
    "demo": "config/config.yaml",
    "planted": "tests/helpers/planted.yaml",
    "olmo_1b": "config/studies/olmo_1b.yaml",
}
KINDS = {"nothing": NOTHING, "planted": Planted()}

#: Of so many null studies one has effects planted.
PLANTED_SHARE = 10

# Studies whose tables are made together.
BATCH = 20

# A finding's slug, value, ends of its interval and verdict.
Found = dict[str, tuple[float, float, float, str]]


@cache
def _jobs(grid: str) -> PlantedJobs:
    return planted_jobs(FILES[grid])


def studies_from(grid: str, kind: str, count: int, first: int) -> list[Found]:
    """The published findings of BATCH studies, or those that are left of `count`."""
    seeds = range(1000 + first, 1000 + min(first + BATCH, count))
    planted = [replace(KINDS[kind], seed=seed) for seed in seeds]
    return [
        {
            str(slug): (row["value"], row["low"], row["high"], row["verdict"])
            for slug, row in found.iterrows()
        }
        for found in published_findings(_jobs(grid), planted)
    ]


def summary(studies: list[Found], truth: dict[str, float], kind: str) -> dict[str, Any]:
    """Each finding's coverage and verdicts."""
    rows: dict[str, Any] = {}
    for slug, value in truth.items():
        low, high = (np.array([one[slug][place] for one in studies], float) for place in (1, 2))
        verdicts = Counter(one[slug][3] for one in studies)
        known = ~np.isnan(low)
        claimed = np.array([one[slug][3] != "cannot tell" for one in studies])
        one_sided = claimed & ((low > 0) | (high < 0))
        rows[slug] = {
            "planted": round(value, 4),
            "studies": len(studies),
            "intervals": int(known.sum()),
            "covered": round(float(((low <= value) & (value <= high))[known].mean()), 4),
            "width": round(float((high - low)[known].mean()), 4),
            "verdicts": dict(verdicts),
        }
        if kind == "nothing":
            claims = int(one_sided.sum())
            rows[slug]["false_claims"] = round(claims / len(studies), 4)
            rows[slug]["upper"] = round(upper_bound(claims, len(studies)), 4)
            rows[slug]["excluded"] = round(float((claimed & ~one_sided).mean()), 4)
        else:
            rows[slug]["found"] = round(verdicts["supported"] / len(studies), 4)
            rows[slug]["wrong"] = round(verdicts["contradicted"] / len(studies), 4)
    return rows


def upper_bound(claims: int, studies: int) -> float:
    """The upper 95 % bound of a rate, one-sided."""
    return float(beta.ppf(0.95, claims + 1, studies - claims)) if claims < studies else 1.0


def main() -> None:
    """Simulate, and write after each kind of each grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", nargs="*", choices=list(FILES), default=list(FILES))
    parser.add_argument("--studies", nargs="*", type=int, default=[2000, 2000, 300])
    parser.add_argument("--processes", type=int, default=1)
    out = ROOT / "benchmarks/results/findings_coverage.json"
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    result: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d")}
    with ProcessPoolExecutor(options.processes) as pool:
        for grid, studies in zip(options.grid, options.studies, strict=True):
            for kind, planted in KINDS.items():
                begun = time.monotonic()
                count = studies if kind == "nothing" else max(1, studies // PLANTED_SHARE)
                batches = pool.map(partial(studies_from, grid, kind, count), range(0, count, BATCH))
                found = list(chain.from_iterable(batches))
                rows = summary(found, planted.truth(_jobs(grid)), kind)
                result.setdefault(grid, {})[kind] = rows
                print(grid, kind, json.dumps(rows, indent=1), flush=True)
                print(f"{time.monotonic() - begun:.0f} s", flush=True)
                options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
