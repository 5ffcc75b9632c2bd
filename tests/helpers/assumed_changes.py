"""Changes of studies in which just what a plan assumes holds, and their realised power."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tuning_dynamics.config.statistics import PowerSettings
from tuning_dynamics.stats.power import power_rows
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

#: Quantile of 95 % intervals.
Z = 1.959964
TRAIN_SETS, EVAL_SETS, SEEDS, ITEMS = 4, 8, 3, 600
ASSUMED = PowerSettings(flips=0.1)


def changes(numbers: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Rows of changes.csv of a study in which just the assumptions hold."""
    error = np.sqrt(ASSUMED.flips / ITEMS)
    trains = numbers.normal(0, ASSUMED.sd_train_sets, TRAIN_SETS)
    evals = numbers.normal(0, ASSUMED.sd_eval_sets, EVAL_SETS)
    items = numbers.normal(0, error, EVAL_SETS)
    pairs = numbers.normal(0, ASSUMED.sd_pairs, (TRAIN_SETS, EVAL_SETS))
    for train in range(TRAIN_SETS):
        for place in range(EVAL_SETS):
            for seed in range(SEEDS):
                change = trains[train] + evals[place] + items[place] + pairs[train, place]
                change += numbers.normal(0, ASSUMED.sd_seeds)
                yield row(change, error, train_set=f"t{train}", eval_set=f"e{place}", seed=seed)


def row(change: float, error: float, **key: Any) -> dict[str, Any]:
    """A row of changes.csv with this standard error over items."""
    return {
        **dict.fromkeys(columns_of("changes")),
        **{"family": "f", "checkpoint": "10", "step": 10, "tokens": 100, "recipe": "full"},
        **{"train_set": "t", "seed": 0, "eval_set": "e", "task": "x", "kind": "classification"},
        **{"role": "cross", "format": "default", "shots": 0, "prediction": "token_prob"},
        **{"metric": "accuracy", "base_score": 0.5, "tuned_score": 0.5 + change},
        **{"change": change, "change_low": change - Z * error, "change_high": change + Z * error},
        **key,
    }


def realised(rows: list[dict[str, Any]], means: pd.DataFrame | None = None) -> pd.DataFrame:
    """power.csv of rows of changes.csv."""
    table = from_rows(rows, "changes")
    kinds = dict.fromkeys(table["train_set"], "classification")
    asked: dict[str, Any] = {"level": 0.95, "recipe": "full", "train_sets": None, "eval_sets": None}
    seed_means = from_rows([], "seed_means") if means is None else means
    return power_rows(seed_means, table, kinds, **asked)


def studies(number: int) -> pd.DataFrame:
    """The realised power of some studies, one below the other."""
    numbers = np.random.default_rng(0)
    return pd.concat([realised(list(changes(numbers))) for _ in range(number)])
