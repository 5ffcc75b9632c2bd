"""One row per cell, with the mean itself as its score."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.synthetic import DRAWING, records_of

from tuning_dynamics.stats.bootstrap import percentile_interval
from tuning_dynamics.stats.scores import score_rows
from tuning_dynamics.stats.tables import TABLES
from tuning_dynamics.study.errors import StudyError


def cell(path: Path, scores: Any, **changes: Any) -> dict[str, Any]:
    """A base cell with these scores, written to `path`."""
    records_of(scores).to_parquet(path, index=False)
    return {
        "family": "toy",
        "checkpoint": "10",
        "step": 10,
        "tokens": 1000,
        "recipe": "base",
        "train_set": "",
        "seed": None,
        "eval_set": "nli_people",
        "task": "nli",
        "kind": "classification",
        "role": "",
        "format": "default",
        "shots": 4,
        "prediction": "token_prob",
        "metric": "accuracy",
        "path": path,
        **changes,
    }


SKEWED = [0.0] * 9 + [1.0]


def test_the_score_is_the_mean_and_not_the_middle_of_the_interval(tmp_path: Path) -> None:
    row = score_rows([cell(tmp_path / "a", SKEWED)], **DRAWING).iloc[0]
    assert row["score"] == pytest.approx(0.1)
    assert (row["ci_low"] + row["ci_high"]) / 2 != pytest.approx(0.1)
    assert (row["ci_low"], row["ci_high"]) == percentile_interval(SKEWED, *DRAWING.values())
    assert row["se"] == pytest.approx(np.std(SKEWED, ddof=1) / np.sqrt(10))
    assert (row["n"], row["truncated"]) == (10, 0)


def test_rows_are_sorted_by_number_and_have_the_tables_columns(tmp_path: Path) -> None:
    cells = [
        cell(tmp_path / f"{step}", SKEWED, step=step, checkpoint=str(step))
        for step in (1000, 20, 3)
    ]
    table = score_rows(cells, **DRAWING)
    assert list(table["step"]) == [3, 20, 1000]
    assert list(table.columns) == list(TABLES["scores"])


def test_the_order_of_cells_does_not_matter(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    cells = [
        cell(tmp_path / name, generator.uniform(size=size), eval_set=name)
        for name, size in (("a", 20), ("b", 30), ("c", 20))
    ]
    assert score_rows(cells, **DRAWING).equals(score_rows(cells[::-1], **DRAWING))


def test_truncated_items_are_counted(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    records_of(SKEWED).assign(truncated=[True] * 3 + [False] * 7).to_parquet(one["path"])
    assert score_rows([one], **DRAWING)["truncated"].iloc[0] == 3


def test_a_cell_given_twice_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    # Another role doesn't make another cell: that is how one set was once counted twice.
    with pytest.raises(StudyError, match="more than once"):
        score_rows([one, {**one, "role": "bench"}], **DRAWING)


def test_a_cell_without_its_file_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    one["path"].unlink()
    with pytest.raises(StudyError, match="missing"):
        score_rows([one], **DRAWING)


def test_a_cell_of_one_item_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="at least 2 items") as caught:
        score_rows([cell(tmp_path / "one.parquet", [1.0])], **DRAWING)
    assert "one.parquet" in str(caught.value)


def test_a_cell_without_a_key_column_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    del one["metric"]
    with pytest.raises(StudyError, match="lacks metric"):
        score_rows([one], **DRAWING)


def test_no_cells_give_an_empty_table() -> None:
    assert list(score_rows([], **DRAWING).columns) == list(TABLES["scores"])
