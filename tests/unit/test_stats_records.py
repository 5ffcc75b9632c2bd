"""Broken records are refused; sound ones come back sorted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from unit.synthetic import records_of

from tuning_dynamics.stats.records import read_records
from tuning_dynamics.study.errors import StudyError


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, index=False)
    return path


@pytest.fixture
def good() -> pd.DataFrame:
    return records_of([0.0, 0.5, 1.0])


def test_records_are_sorted_by_item(tmp_path: Path, good: pd.DataFrame) -> None:
    found = read_records(write(good.iloc[::-1], tmp_path / "cell.parquet"))
    assert found.score.tolist() == [0.0, 0.5, 1.0]
    assert found.item.to_pylist() == found.context.to_pylist() == good["item"].tolist()
    assert found.gold.to_pylist() == [["yes"]] * 3
    assert found.truncated.tolist() == [False] * 3


@pytest.mark.parametrize("score", [-0.01, 1.01, np.nan, np.inf])
def test_a_score_outside_0_to_1_is_refused(
    tmp_path: Path, good: pd.DataFrame, score: float
) -> None:
    good.loc[1, "score"] = score
    with pytest.raises(StudyError, match="item-00001") as caught:
        read_records(write(good, tmp_path / "cell.parquet"))
    assert "cell.parquet" in str(caught.value)


def test_a_repeated_item_is_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    good.loc[2, "item"] = "item-00000"
    with pytest.raises(StudyError, match="more than once"):
        read_records(write(good, tmp_path / "cell.parquet"))


@pytest.mark.parametrize("column", ["item", "context", "truncated"])
def test_an_empty_field_is_refused(tmp_path: Path, good: pd.DataFrame, column: str) -> None:
    good[column] = good[column].astype("object")
    good.loc[0, column] = None
    with pytest.raises(StudyError, match=f"no {column}"):
        read_records(write(good, tmp_path / "cell.parquet"))


def test_wrong_columns_are_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    for frame in (good.drop(columns="gold"), good.assign(extra=1)):
        with pytest.raises(StudyError, match="columns"):
            read_records(write(frame, tmp_path / "cell.parquet"))


@pytest.mark.parametrize(
    "change", [{"score": ["1", "0", "1"]}, {"item": [1, 2, 3]}, {"truncated": ["no", "no", "no"]}]
)
def test_wrong_types_are_refused(
    tmp_path: Path, good: pd.DataFrame, change: dict[str, list[object]]
) -> None:
    with pytest.raises(StudyError, match="wrong type"):
        read_records(write(good.assign(**change), tmp_path / "cell.parquet"))


def test_no_items_are_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    # Types are those of a file with items: an empty cell must be told from a foreign file.
    empty = write(good, tmp_path / "full.parquet")
    pq.write_table(pq.read_table(empty).slice(0, 0), tmp_path / "cell.parquet")
    with pytest.raises(StudyError, match="no items"):
        read_records(tmp_path / "cell.parquet")


def test_missing_empty_and_cut_files_are_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    with pytest.raises(StudyError, match="missing"):
        read_records(tmp_path / "nowhere.parquet")
    whole = write(good, tmp_path / "cell.parquet").read_bytes()
    for name, content in (("empty", b""), ("cut", whole[:-40]), ("text", b"item,score\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StudyError, match="can't be read"):
            read_records(tmp_path / name)
    with pytest.raises(StudyError):
        read_records(tmp_path)
