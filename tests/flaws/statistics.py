"""Checks of the flaws in the release's statistics, and how to remove their guards."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import (
    DRAWING,
    PLANTED,
    PUBLISHED,
    published_tables,
    records_of,
    write_cells,
)

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats import cell_tables, cells, changes, groups, noise, refusals
from tuning_dynamics.stats import item_blocks as blocks
from tuning_dynamics.stats.bootstrap import Estimates
from tuning_dynamics.stats.compared_changes import compared_changes
from tuning_dynamics.stats.noise import under
from tuning_dynamics.stats.records import Records

#: Nine wrong answers and one right one: the mean is .1, the middle of the interval is not.
SKEWED = [0.0] * 9 + [1.0]


def cell(path: Path, values: list[float]) -> dict[str, Any]:
    """An untuned cell with these scores, written to `path`."""
    records_of(values).to_parquet(path, index=False)
    return {
        "family": "toy",
        "checkpoint": "10",
        "step": 10,
        "tokens": 1000,
        "recipe": "base",
        "train_set": "",
        "seed": None,
        "eval_set": "sciq",
        "task": "question_generation",
        "kind": "generation",
        "role": "",
        "format": "default",
        "shots": 4,
        "draw": 0,
        "prediction": "greedy",
        "metric": PLANTED,
        "path": path,
    }


def score_table(made: list[dict[str, Any]]) -> pd.DataFrame:
    """scores.csv of these cells."""
    return cell_tables.cell_tables(made, **DRAWING)["scores"]


# --- 2: ratios ---------------------------------------------------------------------------------


def ratios_have_intervals_and_robust_alternatives(_: Path) -> None:
    over_nothing = changes.ratios(np.array([0.09, 0.3]), np.array([0.019, 0.3]))
    assert np.isnan(over_nothing[0])
    assert over_nothing[1] == 1
    table = published_tables()["transfer"]
    for _, rows in table.groupby(["family", "train_kind", "eval_kind", "checkpoint"]):
        assert set(rows["statistic"]) >= {"mean_ratio", "ratio_of_means", "median_ratio"}
    pooled = table[table["checkpoint"] == "all"]
    assert len(pooled)
    # No interval holds a median of a few ratios that share sets, so that it has none.
    assert pooled[["low", "high"]].notna().all(axis=1).equals(pooled["statistic"] != "median_ratio")


def ratios_over_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(changes, "RATIO_FLOOR", 0.0)


# --- 3: counted twice --------------------------------------------------------------------------


def a_set_counts_once(folder: Path) -> None:
    one = cell(folder / "a", SKEWED)
    with pytest.raises(StudyError, match="occur more than once"):
        score_table([one, dict(one)])


def cells_as_they_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cells, "require_unique", lambda _: None)


def like_meets_like(_: Path) -> None:
    tables = published_tables()
    alone = compared_changes(tables, DRAWING["level"], declared=False)
    other = alone.assign(recipe="instruction", change=1.0)
    both = pd.concat([alone, other], ignore_index=True)
    one, mixed = (
        groups.group_change_rows(
            groups.grouped_changes(found, tables["groups"], recipes=["full"]), DRAWING["level"]
        )
        for found in (alone, both)
    )
    pd.testing.assert_frame_equal(one, mixed)


def recipes_as_one(patch: pytest.MonkeyPatch) -> None:
    kept = groups.grouped_changes

    def pooled(changes: pd.DataFrame, table: pd.DataFrame, **asked: Any) -> pd.DataFrame:
        return kept(changes.assign(recipe=asked["recipes"][0]), table, **asked)

    patch.setattr(groups, "grouped_changes", pooled)
    patch.setattr(groups, "one_per", lambda frame, _: frame)


# --- 5: noise ----------------------------------------------------------------------------------


def differences_between_equals_are_a_floor(folder: Path) -> None:
    # Two checkpoints 20 steps apart, a thousandth of the tokens seen: .9 and .7 of one set.
    one = cell(folder / "a", [1.0] * 9 + [0.0])
    other = cell(folder / "b", [1.0] * 7 + [0.0] * 3)
    near = {**other, "step": 738_020, "checkpoint": "738020", "tokens": 3_095_000_000}
    far = {**one, "step": 738_000, "checkpoint": "738000", "tokens": 3_094_000_000}
    table = noise.noise_rows(score_table([far, near]))
    floor = noise.noise_floor(table, recipe="base", eval_sets=["sciq"])
    assert under(0.1, floor)
    assert not under(0.5, floor)


def no_noise_floor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(noise, "NEAR_SHARE", 0.0)


# --- 11: midpoints -----------------------------------------------------------------------------


def a_score_is_the_mean_with_its_interval(folder: Path) -> None:
    row = score_table([cell(folder / "a", SKEWED)]).iloc[0]
    assert row["score"] == pytest.approx(0.1)
    assert row["se"] == pytest.approx(np.std(SKEWED, ddof=1) / np.sqrt(len(SKEWED)))
    assert row["ci_low"] <= 0.1 <= row["ci_high"]
    assert row["ci_low"] < row["ci_high"]


def scores_from_intervals(patch: pytest.MonkeyPatch) -> None:
    made = cell_tables.score_rows

    def midpoints(block: blocks.ItemBlock, scores: Estimates) -> pd.DataFrame:
        table = made(block, scores)
        return table.assign(score=(table["ci_low"] + table["ci_high"]) / 2)

    patch.setattr(cell_tables, "score_rows", midpoints)


# --- 12: missing cells -------------------------------------------------------------------------


def a_missing_cell_stops_the_tables(folder: Path) -> None:
    written = write_cells(folder / "cells", PUBLISHED)[:4]
    written[2]["path"].unlink()
    with pytest.raises(StudyError, match="records of a cell are missing"):
        score_table(written)


def missing_cells_are_skipped(patch: pytest.MonkeyPatch) -> None:
    read, found = blocks.read_records, list[Records]()

    def lenient(path: Path, **more: Any) -> Records:
        if path.is_file():
            found.append(read(path, **more))
        return found[-1]

    patch.setattr(blocks, "read_records", lenient)
    patch.setattr(refusals, "refusal", lambda _: None)
