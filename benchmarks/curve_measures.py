"""Curves judged by accuracy or by the probability of the right option: how often a rise is seen,
and how often it is said where there is none.

    python benchmarks/curve_measures.py [--times 100] [--out benchmarks/results/….json]

Models choose among options by scores in nats: of each option a part that all checkpoints share, a
part of each checkpoint's own, its preference for a label, and of the right option a skill that
grows with log tokens. Studies have 8 checkpoints over three decades and go through seed_means.csv
to turning_points.csv, once by accuracy alone and once by the rule of `stats/curve_measure.py`.
`unscaled` is that rule with the margin of scores for probabilities, and `further` that rule where
any distance further above chance decides. docs/statistics.md has the figures.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from synthetic import asked  # noqa: E402

from tuning_dynamics.stats import curve_measure  # noqa: E402
from tuning_dynamics.stats.comparisons import Comparisons  # noqa: E402
from tuning_dynamics.stats.curve_measure import PROBABILITY  # noqa: E402
from tuning_dynamics.stats.curve_shape import FALLS, FLAT, RISES, STOPS  # noqa: E402
from tuning_dynamics.stats.item_answers import CellItems, answers_of  # noqa: E402
from tuning_dynamics.stats.item_blocks import Resampling, block_of  # noqa: E402
from tuning_dynamics.stats.seed_means import seed_mean_rows  # noqa: E402
from tuning_dynamics.stats.summaries import turning_points  # noqa: E402
from tuning_dynamics.stats.tokens import log_tokens  # noqa: E402
from tuning_dynamics.tables.columns import KEY_COLUMNS, POOLED  # noqa: E402

Floats = Any

TOKENS = np.logspace(9, 12, 8).round().astype(int)
SET = "e"
RULES = ("accuracy", "rule", "unscaled", "further")
RESAMPLING = Resampling(400, 0.95, 0)


@dataclass(frozen=True)
class Model:
    """Skill at the first checkpoint and per tenfold tokens; how far options' scores differ, in
    nats, `scale`, and how much that varies between checkpoints, `drift`, as a standard deviation of
    its logarithm; preferences for labels in units of `scale`; numbers of options and items."""

    skill: float
    growth: float
    scale: float = 1.0
    drift: float = 0.0
    preference: float = 0.0
    options: int = 3
    items: int = 200


#: Those that do not grow make no progress.
MODELS = {
    "guesses": Model(0.0, 0.0),
    "knows some": Model(0.7, 0.0),
    "knows some, prefers labels": Model(0.7, 0.0, preference=1.0),
    "knows some, varies a little in sureness": Model(0.7, 0.0, drift=0.2),
    "knows some, varies much in sureness": Model(0.7, 0.0, drift=0.5),
    "knows much, 40 items": Model(2.5, 0.0, items=40),
    "begins to learn, 2 options": Model(0.0, 0.1, options=2),
    "begins to learn, 3 options": Model(0.0, 0.07),
    "begins to learn, 4 options": Model(0.0, 0.07, options=4),
    "begins to learn, options hardly differ": Model(0.0, 0.07, scale=0.1, options=4),
    "learns, prefers labels": Model(0.7, 0.15, preference=1.0),
    "learns, varies much in sureness": Model(0.7, 0.1, drift=0.5),
    "knows much, learns": Model(2.5, 0.1),
    "learns at the margin, 3,000 items": Model(0.0, 0.04, items=3000),
}


def studies(model: Model, times: int) -> pd.DataFrame:
    """The rows of seed_means.csv of so many families on one evaluation set."""
    rng = np.random.default_rng([model.items, model.options])
    gold = rng.integers(0, model.options, model.items)
    right = np.arange(model.options) == gold[:, None]
    cells, keys = [], []
    for family in range(times):
        shared = rng.normal(0, 0.7, right.shape)
        for step, depth in enumerate(log_tokens(pd.Series(TOKENS)) - 9):
            cells.append(_cell(model, model.skill + model.growth * depth, right, shared, rng))
            keys.append(_key(family, step))
    frame, units = pd.DataFrame(keys).astype({"seed": "Int64"}), np.arange(model.items)
    block = block_of(
        frame,
        frame.iloc[:0][list(KEY_COLUMNS)],
        np.column_stack([cell.scores for cell in cells]),
        units,
        RESAMPLING,
        truncated=[0] * len(cells),
        commonest=[0.0] * len(cells),
        answers=answers_of(cells, units, gold.astype(np.uint64)),
    )
    return seed_mean_rows(block, Comparisons.of(block))


def _cell(model: Model, skill: float, right: Any, shared: Floats, rng: Any) -> CellItems:
    """One checkpoint's answers."""
    own = rng.normal(0, 0.7, right.shape)
    preference = model.preference * rng.normal(size=model.options)
    scale = model.scale * np.exp(model.drift * rng.normal())
    scores = scale * (shared + own + preference + skill * right)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    answers = scores.argmax(axis=1)
    return CellItems(
        scores=right[np.arange(len(right)), answers].astype(float),
        answers=answers.astype(np.uint64),
        measures={PROBABILITY: odds[right] / odds.sum(axis=1)},
        truncated=0,
        commonest=0.0,
    )


def _key(family: int, step: int) -> dict[str, Any]:
    return {
        **{"family": f"f{family:05d}", "checkpoint": str(step), "step": step},
        **{"tokens": TOKENS[step], "recipe": "base", "train_set": "", "seed": pd.NA},
        **{"eval_set": SET, "task": "t", "kind": "multiple_choice", "role": ""},
        **{"format": "default", "shots": 0},
        **{"draw": 0, "prediction": "likelihood", "metric": "accuracy", "path": ""},
    }


def measured(model: Model, times: int) -> dict[str, Any]:
    """What is said of the curves of one kind of model."""
    means, chance = studies(model, times), {SET: 1 / model.options}
    ends = means.groupby("step")["score"].mean()
    by_rule = rows(means, chance)
    with patch.object(turning_points, "margin_of_probability", lambda margin, *_: margin):
        unscaled = rows(means, chance)
    with patch.object(curve_measure, "CLEARLY", 1.0):
        further = rows(means, chance)
    return {
        **asdict(model),
        **{"times": times, "first": round(ends.iloc[0], 3), "last": round(ends.iloc[-1], 3)},
        "judged by probability": round(float((by_rule["measure"] == PROBABILITY).mean()), 3),
        "accuracy": said(rows(means, {})),
        "rule": said(by_rule),
        "unscaled": said(unscaled),
        "further": said(further),
    }


def rows(means: pd.DataFrame, chance: dict[str, float]) -> pd.DataFrame:
    """Rows of turning_points.csv, without those of mean curves."""
    found = turning_points.turning_rows(means, asked(), chance)
    return found[found["eval_set"] != POOLED]


def said(found: pd.DataFrame) -> dict[str, float]:
    """Shares of curves by what is said of them."""
    claims = {"rises": RISES, "flat": (FLAT,), "stops": (STOPS, FALLS)}
    return {
        name: round(float(found["shape"].isin(shapes).mean()), 3) for name, shapes in claims.items()
    }


def main() -> None:
    """Simulate, print and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    out = ROOT / "benchmarks/results/curve_measures.json"
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    start = time.process_time()
    found = {
        # False claims are rare, so that more studies are needed to count them.
        name: measured(model, options.times * (1 if model.growth else 8))
        for name, model in MODELS.items()
    }
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu_seconds": round(time.process_time() - start),
        "models": found,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, row in found.items():
        said_of = {rule: list(row[rule].values()) for rule in RULES}
        print(name, row["first"], row["last"], row["judged by probability"], said_of)
    print(result["cpu_seconds"], "CPU seconds")


if __name__ == "__main__":
    main()
