"""How often the findings' intervals hold what was planted, over many synthetic studies.

    python benchmarks/findings_coverage.py [--studies 40] [--kinds published nothing]

Each study is the demo's grid with planted scores in place of models' (tests/helpers/planted.py):
other items, other differences between pairs and models every time. It reports, for each published
finding, how often its 95 % interval holds the planted value, the mean of its estimates and of its
interval's width, and its verdicts. And, for broken sticks of known shape, how often a turning point
is found and its interval holds the planted one. JSON on standard output.
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

from tuning_dynamics.stats.cell_bootstrap import Drawing  # noqa: E402
from tuning_dynamics.stats.summaries.turning_points import turning_point  # noqa: E402

KINDS = {"published": Planted(), "nothing": NOTHING}

#: Log10 tokens of a planted turning point, of a rise that goes on, and none.
SHAPES = {"turns": (10.55, 0.12), "still_rising": (13.0, 0.12), "flat": (10.55, 0.0)}


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


def sticks_coverage(checkpoints: int, noise: float, known: bool, times: int) -> dict[str, Any]:
    """Shapes found for planted ones, and how often the interval holds the turning point, before
    and after its ends move out to checkpoints."""
    x = np.linspace(9, 12, checkpoints)
    errors = np.full(checkpoints, noise if known else np.nan)
    generator = np.random.default_rng(7)
    result: dict[str, Any] = {"checkpoints": checkpoints, "errors_known": known}
    for name, (place, rise) in SHAPES.items():
        curve = 0.3 + rise * (np.minimum(x, place) - x[0])
        found = [
            turning_point(x, curve + generator.normal(0, noise, checkpoints), errors, DRAWING)
            for _ in range(times)
        ]
        result[name] = dict(Counter(turn.shape for turn in found))
        if name == "turns":
            turned = [turn for turn in found if turn.shape == "turns"]
            result["covered"] = sum(bool(turn.low <= place <= turn.high) for turn in turned)
            result["covered_by_checkpoints"] = sum(
                bool(x[x <= turn.low].max() <= place <= x[x >= turn.high].min()) for turn in turned
            )
    return result


DRAWING = Drawing(1000, 0.95, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--sticks", type=int, default=400)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "turning_points": [
            sticks_coverage(checkpoints, 0.02, known, options.sticks)
            for checkpoints in (6, 9, 20)
            for known in (True, False)
        ]
    }
    for kind in options.kinds:
        result[kind] = findings_coverage(kind, options.studies)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
