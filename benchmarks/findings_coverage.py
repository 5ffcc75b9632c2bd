"""How often the findings' intervals hold what was planted, over many synthetic studies.

    python benchmarks/findings_coverage.py [--studies 40] [--kinds published nothing]

Each study is the demo's grid with planted scores in place of models' (tests/helpers/planted.py):
other items, other differences between pairs and models every time. It reports, for each published
finding, how often its 95 % interval holds the planted value, the mean of its estimates and of its
interval's width, and its verdicts. JSON on standard output.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "workflow" / "scripts"),
    str(ROOT / "tests"),
    str(ROOT / "tests/helpers"),
]

from planted import NOTHING, Planted, demo, planted_findings  # noqa: E402

KINDS = {"published": Planted(), "nothing": NOTHING}


def findings_coverage(kind: str, studies: int) -> dict[str, Any]:
    """Coverage and verdicts of each published finding."""
    jobs, planted = demo(), KINDS[kind]
    truth = planted.truth(jobs)
    results: dict[str, list[tuple[float, float, float, str]]] = {slug: [] for slug in truth}
    for number in range(studies):
        found = planted_findings(jobs, replace(planted, seed=100 + number))
        for slug in truth:
            row = found.loc[slug]
            results[slug].append((row["value"], row["low"], row["high"], row["verdict"]))
    return {slug: _summary(rows, truth[slug]) for slug, rows in results.items()}


def _summary(rows: list[tuple[float, float, float, str]], planted: float) -> dict[str, Any]:
    values, low, high = (np.array([row[place] for row in rows]) for place in range(3))
    known = ~np.isnan(low)
    return {
        "planted": planted,
        "mean": float(np.nanmean(values)),
        "covered": int(((low <= planted) & (planted <= high)).sum()),
        "intervals": int(known.sum()),
        "width": float((high - low)[known].mean()),
        "verdicts": dict(Counter(row[3] for row in rows)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    result: dict[str, Any] = {}
    for kind in options.kinds:
        result[kind] = findings_coverage(kind, options.studies)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
