"""transfer.csv: the effect of tuning on one kind of task on sets of each kind."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.cells import require_unique
from tuning_dynamics.stats.crossed import (
    NOTHING,
    Estimate,
    Pairs,
    crossed_mean,
    crossed_ratio,
    within,
)
from tuning_dynamics.stats.primary_cells import primary_cells
from tuning_dynamics.tables.columns import POOLED
from tuning_dynamics.tables.tables import from_rows


def transfer_rows(
    changes: pd.DataFrame,
    train_kinds: Mapping[str, str],
    chance: Mapping[str, float],
    *,
    level: float,
    recipe: str,
    train_sets: Sequence[str] | None = None,
    eval_sets: Sequence[str] | None = None,
) -> pd.DataFrame:
    """transfer.csv: mean change per kind of train set and of evaluation set.

    Takes one recipe's primary cells (`primary_cells`), without the train set itself; `train_kinds`
    gives each train set's kind, `chance` the accuracy of guessing on a set, without which a
    classification set has no normalised change. Per checkpoint, and for `checkpoint` = `all` over
    all of them. If `train_sets` or `eval_sets` are given, only they count, and rows of kind `all`
    pool them, whatever their kinds.
    Raises StudyError for a repeated cell or a train set of unknown kind.
    """
    chosen = transferred(
        changes, train_kinds, recipe=recipe, train_sets=train_sets, eval_sets=eval_sets
    )
    chosen = chosen.assign(chance=_chances(chosen, chance))
    blocks = [chosen]
    if train_sets is not None or eval_sets is not None:
        blocks.append(chosen.assign(train_kind=POOLED, kind=POOLED))
    rows: list[dict[str, object]] = []
    for (family, train_kind, eval_kind), block in pd.concat(blocks).groupby(
        ["family", "train_kind", "kind"], sort=True
    ):
        key = {"family": family, "train_kind": train_kind, "eval_kind": eval_kind}
        parts = list(block.groupby(["step", "checkpoint"], sort=True))
        for (step, checkpoint), cells in [*parts, ((pd.NA, POOLED), block)]:
            place = {**key, "checkpoint": checkpoint, "step": step}
            for name, found in transfer_statistics(cells, level).items():
                rows.append({**place, "statistic": name, **estimate_columns(found, "value")})
    return from_rows(rows, "transfer")


def transferred(
    changes: pd.DataFrame,
    train_kinds: Mapping[str, str],
    *,
    recipe: str,
    train_sets: Sequence[str] | None = None,
    eval_sets: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The changes that transfer.csv summarises, with the column `train_kind`.

    Raises StudyError for a repeated cell or a train set of unknown kind.
    """
    require_unique(changes)
    chosen = primary_cells(changes[changes["recipe"] == recipe])
    for column, names in (("train_set", train_sets), ("eval_set", eval_sets)):
        if names is not None:
            chosen = chosen[chosen[column].isin(list(names))]
    chosen = chosen[chosen["eval_set"] != chosen["train_set"]]
    return chosen.assign(train_kind=_kinds_of(chosen["train_set"], train_kinds))


def transfer_statistics(cells: pd.DataFrame, level: float) -> dict[str, Estimate]:
    """The statistics of `cells`, with the columns train_set, eval_set, base_score, change and,
    empty if unknown, chance; intervals are over train sets and evaluation sets.

    A ratio can't be below -1, as a score does not fall by more than all of it, nor a change beyond
    -1 and 1. The median of ratios
    has no interval, as none holds it with few pairs that share sets.
    """
    # A ratio is undefined over a base of 0; ratio_of_means and mean_change keep those cells.
    ratios = cells[cells["base_score"] > 0].assign(
        ratio=lambda kept: kept["change"] / kept["base_score"]
    )
    known = cells[cells["chance"].notna()].assign(
        normalised=lambda kept: kept["change"] / (1 - kept["chance"])
    )
    change, base = Pairs.of(cells, "change"), Pairs.of(cells, "base_score")
    return {
        "mean_ratio": within(crossed_mean(Pairs.of(ratios, "ratio"), level), -1.0, np.inf),
        "ratio_of_means": within(crossed_ratio(change, base.values, level), -1.0, np.inf),
        "median_ratio": _median(ratios["ratio"]),
        "mean_change": within(crossed_mean(change, level), -1.0, 1.0),
        "normalised_change": crossed_mean(Pairs.of(known, "normalised"), level),
    }


def _median(ratios: pd.Series) -> Estimate:
    if ratios.empty:
        return NOTHING
    return Estimate(float(ratios.median()), np.nan, np.nan, len(ratios), "none holds a median")


def _chances(cells: pd.DataFrame, chance: Mapping[str, float]) -> pd.Series:
    """The score of guessing: 0 for generation, NaN if unknown."""
    known = cells["eval_set"].map(chance).astype("float64")
    return known.mask(known.isna() & (cells["kind"] == "generation"), 0.0)


def train_kinds_of(datasets: pd.DataFrame) -> dict[str, str]:
    """The kind of each train set, from datasets.csv."""
    own = datasets[datasets["use"] == "train"]
    return dict(zip(own["dataset"], own["kind"], strict=True))


def train_tasks_of(datasets: pd.DataFrame) -> dict[str, str]:
    """The task of each train set, from datasets.csv."""
    own = datasets[datasets["use"] == "train"]
    return dict(zip(own["dataset"], own["task"], strict=True))


def chance_of(datasets: pd.DataFrame) -> dict[str, float]:
    """The accuracy of guessing on each evaluation set that has one, from datasets.csv."""
    own = datasets[(datasets["use"] == "evaluation") & datasets["chance"].notna()]
    return {
        str(name): float(value) for name, value in zip(own["dataset"], own["chance"], strict=True)
    }


def estimate_columns(found: Estimate, value: str) -> dict[str, object]:
    """An estimate as columns of a table, its number under the name `value`."""
    return {value: found.value, "low": found.low, "high": found.high, "cells": found.cells}


def _kinds_of(train_sets: pd.Series, kinds: Mapping[str, str]) -> list[str]:
    unknown = sorted(set(train_sets) - set(kinds))
    if unknown:
        raise StudyError(
            f"the kind of train set '{unknown[0]}' isn't known",
            key="train_kinds",
            value=unknown[0],
            fix="name its kind: classification, generation, multiple_choice or instruction",
        )
    return [kinds[name] for name in train_sets]
