"""forgetting.csv: how tuning on one task changes every task."""

from collections.abc import Mapping

import pandas as pd
from scipy.stats import norm

from tuning_dynamics.stats.cell_bootstrap import error_of_mean, errors_of
from tuning_dynamics.stats.noise import marks, noise_floor
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT, one_per
from tuning_dynamics.stats.transfer import ALL
from tuning_dynamics.tables.tables import from_rows

_VARIANT = ["family", "checkpoint", "train_set", "eval_set"]


def forgetting_rows(
    seed_means: pd.DataFrame,
    train_tasks: Mapping[str, str],
    noise: pd.DataFrame,
    *,
    level: float,
    recipe: str,
) -> pd.DataFrame:
    """forgetting.csv: mean change by task tuned on and task evaluated, per checkpoint and `all`.

    From one recipe's primary cells, the train set's own test items included. The interval is for
    these train and evaluation sets, over their seeds and items: errors of different sets are
    independent, those of one set's cells, which share items, fully correlated. Empty if a cell's
    is.
    """
    tuned = seed_means[(seed_means["recipe"] == recipe) & seed_means["change"].notna()]
    cells = one_per(tuned[tuned["format"] == DEFAULT_FORMAT], _VARIANT)
    errors = errors_of(cells["change_low"], cells["change_high"], level)
    cells = cells.assign(train_task=cells["train_set"].map(train_tasks), error=errors)
    rows: list[dict[str, object]] = []
    for (family, train_task, eval_task), block in cells.groupby(
        ["family", "train_task", "task"], sort=True
    ):
        own = noise[noise["family"] == family]
        floor = noise_floor(own, recipe=recipe, eval_sets=set(block["eval_set"]))
        parts = list(block.groupby(["step", "checkpoint"], sort=True))
        for (step, checkpoint), found in [*parts, ((pd.NA, ALL), block)]:
            change = float(found["change"].mean())
            half = float(norm.ppf((1 + level) / 2)) * error_of_mean(found)
            rows.append(
                {
                    **{"family": family, "checkpoint": checkpoint, "step": step},
                    **{"train_task": train_task, "eval_task": eval_task},
                    **{"change": change, "low": change - half, "high": change + half},
                    "cells": len(found),
                    **marks(change, floor),
                }
            )
    return from_rows(rows, "forgetting")
