"""Change by task tuned on and task evaluated.

Mean change by the task tuned on and the task evaluated: main recipe, means over seeds, the train
set's own test items included. Rows `all` pool all checkpoints, one that is untrained (0 tokens) and
has learned nothing to lose among them.

A task has few evaluation sets, so that these intervals, unlike those of `transfer.csv`, say nothing
about other sets of the task. Errors of one evaluation set's cells, which share items, are taken as
fully correlated; those of different sets as independent.
"""

from collections.abc import Mapping

import pandas as pd
from scipy.stats import norm

from tuning_dynamics.stats.cell_errors import error_of_mean, errors_of
from tuning_dynamics.stats.noise import marks, noise_floor
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT, one_per
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.stats.transfer import train_tasks_of
from tuning_dynamics.tables.columns import POOLED, Columns
from tuning_dynamics.tables.tables import from_rows


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    checkpoint: str
    """label of the checkpoint, or `all` for all of them pooled"""
    step: int
    """its step; empty for `all`"""
    train_task: str
    """task of the train sets, as in `datasets.csv`"""
    eval_task: str
    """task of the evaluation sets"""
    change: float
    """mean of the changes"""
    low: float
    """low end of its interval, for these train and evaluation sets: over their items and seeds;
    empty if those are unknown"""
    high: float
    """high end"""
    cells: int
    """number of changes"""
    floor: float
    """noise floor of the evaluation sets, see `noise.csv`; empty if it is unknown"""
    under_floor: str
    """`yes` if the change is smaller; `unknown` if the floor is; else empty"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return forgetting_rows(
        tables["seed_means"],
        train_tasks_of(tables["datasets"]),
        tables["noise"],
        level=asked.drawing.level,
        recipe=asked.recipe,
    )


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
        for (step, checkpoint), found in [*parts, ((pd.NA, POOLED), block)]:
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
