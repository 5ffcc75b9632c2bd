"""groups.csv and group_changes.csv: sets that pre-training teaches, and the others."""

from collections.abc import Sequence
from itertools import permutations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau

from tuning_dynamics.stats.select import primary_cells, require_recipe
from tuning_dynamics.stats.tables import from_rows
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import ALL
from tuning_dynamics.stats.units import Drawing, Estimate, contrast, estimate, mean_of, pair_units
from tuning_dynamics.study.errors import StudyError

LEARNED, NOT_LEARNED, UNDECIDED = "learned", "not_learned", "undecided"

# All orders of 8 checkpoints are 40,320, of 9 already 362,880.
_ENUMERATED = 8

OWN_TASK = ("id", "ood")

Floats = NDArray[np.float64]


def group_rows(scores: pd.DataFrame, *, alpha: float) -> pd.DataFrame:
    """groups.csv: for each family and evaluation set, whether the base model learns it.

    Of the base model's primary cells: `trend` is the slope of the score over log10 tokens
    (score per tenfold tokens), `trend_p` the exact two-sided p-value of Kendall's tau between
    tokens and score. `learned`: trend > 0, trend_p < alpha, and the last checkpoint's ci_low
    above the first one's score. `undecided`: so few checkpoints that no order of theirs could
    reach alpha (k checkpoints reach 2 / k! at best: 4 reach .083, 5 reach .017). Else
    `not_learned`, which is lack of evidence, not evidence of no trend.
    """
    base = primary_cells(scores[scores["recipe"] == "base"])
    rows: list[dict[str, object]] = []
    for (family, eval_set), cells in base.groupby(["family", "eval_set"], sort=True):
        curve = cells.sort_values(["tokens", "step"])
        x, y = log_tokens(curve["tokens"]), curve["score"].to_numpy(dtype=float)
        trend, p_value = slope(x, y), kendall_p_value(x, y)
        rose = float(curve["ci_low"].iloc[-1]) > y[0]
        rows.append(
            {
                "family": family,
                "eval_set": eval_set,
                "group": _group(trend, p_value, rose, len(y), alpha),
                "trend": trend,
                "trend_p": p_value,
            }
        )
    return from_rows(rows, "groups")


def group_change_rows(
    changes: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    resamples: int,
    level: float,
    seed: int,
    recipe: str = "full",
    roles: Sequence[str] = OWN_TASK,
) -> pd.DataFrame:
    """group_changes.csv: mean change of each group's sets, per checkpoint and over `all`.

    Like is compared with like: one recipe, and only sets in `roles` (by default those of the
    task tuned on), each cell once (`select.primary_cells`). Intervals resample (train set,
    evaluation set) pairs, empty for fewer than 5.
    """
    chosen = grouped_changes(changes, groups, recipe=recipe, roles=roles)
    rows: list[dict[str, object]] = []
    for (family, group), block in chosen.groupby(["family", "group"], sort=True):
        parts = [(key, cells) for key, cells in block.groupby(["step", "checkpoint"], sort=True)]
        for (step, checkpoint), cells in [*parts, ((pd.NA, ALL), block)]:
            found = estimate(
                mean_of(cells["change"].to_numpy(dtype=float)),
                pair_units(cells),
                Drawing(resamples, level, seed),
            )
            rows.append(
                {
                    "family": family,
                    "checkpoint": checkpoint,
                    "step": step,
                    "group": group,
                    "mean_change": found.value,
                    "low": found.low,
                    "high": found.high,
                    "cells": found.cells,
                }
            )
    return from_rows(rows, "group_changes")


def grouped_changes(
    changes: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    recipe: str = "full",
    roles: Sequence[str] = OWN_TASK,
) -> pd.DataFrame:
    """One recipe's primary cells in `roles`, with the column `group` of their evaluation set.

    Raises StudyError for a set that groups.csv doesn't hold, or holds twice.
    """
    require_recipe(changes, recipe)
    repeated = groups[groups.duplicated(["family", "eval_set"])]
    if not repeated.empty:
        raise StudyError(
            "groups.csv holds an evaluation set twice",
            key="eval_set",
            value=repeated["eval_set"].iloc[0],
            fix="give each family's evaluation set one row",
        )
    chosen = changes[(changes["recipe"] == recipe) & changes["role"].isin(list(roles))]
    joined = primary_cells(chosen).merge(
        groups[["family", "eval_set", "group"]], on=["family", "eval_set"], how="left"
    )
    lost = joined[joined["group"].isna()]
    if not lost.empty:
        raise StudyError(
            f"evaluation set '{lost['eval_set'].iloc[0]}' has changes but no group",
            key="eval_set",
            value=lost["eval_set"].iloc[0],
            fix="evaluate the base model on it in format 'default' at every checkpoint",
        )
    return joined


def group_contrast(grouped: pd.DataFrame, drawing: Drawing) -> Estimate:
    """Mean change of sets not learned less that of learned ones; rows of `grouped_changes`."""
    new = grouped[grouped["group"] == NOT_LEARNED]
    old = grouped[grouped["group"] == LEARNED]
    return contrast(
        new["change"].to_numpy(dtype=float),
        pair_units(new),
        old["change"].to_numpy(dtype=float),
        pair_units(old),
        drawing,
    )


def kendall_p_value(x: Floats, y: Floats) -> float:
    """Two-sided p-value of Kendall's tau: exact over all orders for up to 8 points, ties or not.

    Beyond 8, scipy's own (exact without ties, normal with). 1 where x or y doesn't vary.
    """
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return 1.0
    if len(x) > _ENUMERATED:
        return float(kendalltau(x, y).pvalue)
    above = np.triu_indices(len(x), 1)
    signs_x = np.sign(x[above[1]] - x[above[0]])
    orders = y[np.array(list(permutations(range(len(y)))))]
    signs_y = np.sign(orders[:, above[1]] - orders[:, above[0]])
    concordance = np.abs(signs_y @ signs_x)
    # The first order is the one observed.
    return float((concordance >= concordance[0] - 0.5).mean())


def _group(trend: float, p_value: float, rose: bool, checkpoints: int, alpha: float) -> str:
    if 2 / factorial(checkpoints) >= alpha:
        return UNDECIDED
    return LEARNED if trend > 0 and p_value < alpha and rose else NOT_LEARNED
