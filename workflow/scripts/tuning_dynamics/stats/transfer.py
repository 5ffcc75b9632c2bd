"""transfer.csv: what tuning on one kind of task does to sets of each kind."""

from collections.abc import Mapping

import pandas as pd

from tuning_dynamics.stats.select import primary_cells, require_recipe
from tuning_dynamics.stats.tables import from_rows
from tuning_dynamics.stats.units import Drawing, Estimate, estimate, mean_of, median_of, pair_units
from tuning_dynamics.stats.units import ratio_of_means as ratio_of_means_of
from tuning_dynamics.study.errors import StudyError

ALL = "all"


def transfer_rows(
    changes: pd.DataFrame,
    train_kinds: Mapping[str, str],
    *,
    resamples: int,
    level: float,
    seed: int,
    recipe: str = "full",
) -> pd.DataFrame:
    """transfer.csv: mean change per kind of train set and of evaluation set.

    Takes one recipe's primary cells (`select.primary_cells`), without the train set itself;
    `train_kinds` says each train set's kind, as its config does. Per checkpoint, and for
    `checkpoint` = `all` over all of them. The interval resamples (train set, evaluation set)
    pairs and is empty for fewer than 5. `mean_ratio` is the paper's: it takes every cell with a
    base score above 0, however small; its `cells` tell how many those are.
    Raises StudyError for a train set whose kind isn't given.
    """
    chosen = transferred(changes, train_kinds, recipe=recipe)
    drawing = Drawing(resamples, level, seed)
    rows: list[dict[str, object]] = []
    for (family, train_kind, eval_kind), block in chosen.groupby(
        ["family", "train_kind", "kind"], sort=True
    ):
        key = {"family": family, "train_kind": train_kind, "eval_kind": eval_kind}
        for (step, checkpoint), cells in block.groupby(["step", "checkpoint"], sort=True):
            rows += _rows(cells, {**key, "checkpoint": checkpoint, "step": step}, drawing)
        rows += _rows(block, {**key, "checkpoint": ALL, "step": pd.NA}, drawing)
    return from_rows(rows, "transfer")


def transferred(
    changes: pd.DataFrame, train_kinds: Mapping[str, str], *, recipe: str
) -> pd.DataFrame:
    """The changes that transfer.csv summarises, with the column `train_kind`.

    Raises StudyError for a recipe that the study does not have, or a train set of unknown kind.
    """
    require_recipe(changes, recipe)
    chosen = primary_cells(changes[changes["recipe"] == recipe])
    chosen = chosen[chosen["eval_set"] != chosen["train_set"]]
    return chosen.assign(train_kind=_kinds_of(chosen["train_set"], train_kinds))


def transfer_statistics(cells: pd.DataFrame, drawing: Drawing) -> dict[str, Estimate]:
    """The four statistics of `cells` (columns train_set, eval_set, base_score, change)."""
    units = pair_units(cells)
    change = cells["change"].to_numpy(dtype=float)
    base = cells["base_score"].to_numpy(dtype=float)
    # A ratio has no value over a base of 0; ratio_of_means and mean_change keep those cells.
    positive = base > 0
    ratio = change[positive] / base[positive]
    ratio_units = [unit for unit, kept in zip(units, positive, strict=True) if kept]

    return {
        "mean_ratio": estimate(mean_of(ratio), ratio_units, drawing),
        "ratio_of_means": estimate(ratio_of_means_of(change, base), units, drawing),
        "median_ratio": estimate(median_of(ratio), ratio_units, drawing),
        "mean_change": estimate(mean_of(change), units, drawing),
    }


def known_train_kinds(scores: pd.DataFrame) -> dict[str, str]:
    """The kinds of those train sets whose own task is evaluated (role id or ood).

    Train sets of instruction data, and those of a task that isn't evaluated, aren't in it.
    Raises StudyError where one train set's own task has two kinds.
    """
    own = scores[scores["role"].isin(["id", "ood"])]
    kinds: dict[str, str] = {}
    for train_set, rows in own.groupby("train_set", sort=True):
        found = sorted(set(rows["kind"]))
        if len(found) > 1:
            raise StudyError(
                f"sets of the same task as '{train_set}' are of several kinds: {found}",
                key="kind",
                value=found,
                fix="give all sets of one task one kind",
            )
        kinds[str(train_set)] = found[0]
    return kinds


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


def _rows(cells: pd.DataFrame, key: dict[str, object], drawing: Drawing) -> list[dict[str, object]]:
    statistics = transfer_statistics(cells, drawing)
    return [
        {
            **key,
            "statistic": name,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "cells": found.cells,
        }
        for name, found in statistics.items()
    ]
