"""Broken records are refused; valid ones come back sorted."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from synthetic import records_of, refuse

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.records import read_records, refusal


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, index=False)
    return path


@pytest.fixture
def good() -> pd.DataFrame:
    return records_of([0.0, 0.5, 1.0])


def test_records_are_sorted_by_item(tmp_path: Path, good: pd.DataFrame) -> None:
    found = read_records(write(good.iloc[::-1], tmp_path / "cell.parquet"))
    assert found.prediction.to_pylist() == ["0.0", "0.5", "1.0"]
    assert found.item.to_pylist() == found.context.to_pylist() == good["item"].tolist()
    assert found.gold.to_pylist() == [["1.0"]] * 3
    assert found.truncated.tolist() == [False] * 3


def test_a_repeated_item_is_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    good.loc[2, "item"] = "item-00000"
    with pytest.raises(StudyError, match="more than once"):
        read_records(write(good, tmp_path / "cell.parquet"))


@pytest.mark.parametrize("column", ["item", "context", "truncated", "prediction", "gold"])
def test_an_empty_field_is_refused(tmp_path: Path, good: pd.DataFrame, column: str) -> None:
    good[column] = good[column].astype("object")
    good.loc[0, column] = None
    with pytest.raises(StudyError, match=f"no {column}"):
        read_records(write(good, tmp_path / "cell.parquet"))


@pytest.mark.parametrize("gold", [[], [None, "1.0"]])
def test_an_item_without_a_right_answer_is_refused(
    tmp_path: Path, good: pd.DataFrame, gold: list[str | None]
) -> None:
    good.at[1, "gold"] = gold
    with pytest.raises(StudyError, match="no gold"):
        read_records(write(good, tmp_path / "cell.parquet"))


def test_wrong_columns_are_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    for frame in (good.drop(columns="gold"), good.assign(extra=1)):
        with pytest.raises(StudyError, match="columns"):
            read_records(write(frame, tmp_path / "cell.parquet"))


@pytest.mark.parametrize(
    "change",
    [
        {"prediction": [1.0, 0.0, 1.0]},
        {"gold": ["1", "0", "1"]},
        {"gold": [[1], [0], [1]]},
        {"item": [1, 2, 3]},
        {"truncated": ["no", "no", "no"]},
    ],
)
def test_wrong_types_are_refused(
    tmp_path: Path, good: pd.DataFrame, change: dict[str, list[object]]
) -> None:
    with pytest.raises(StudyError, match="wrong type"):
        read_records(write(good.assign(**change), tmp_path / "cell.parquet"))


def test_no_items_are_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    # Types are those of a file with items: an empty cell must be distinguished from a foreign file.
    empty = write(good, tmp_path / "full.parquet")
    pq.write_table(pq.read_table(empty).slice(0, 0), tmp_path / "cell.parquet")
    with pytest.raises(StudyError, match="no items"):
        read_records(tmp_path / "cell.parquet")


def test_a_refused_cell_says_why(tmp_path: Path, good: pd.DataFrame) -> None:
    path = write(good, tmp_path / "cell.parquet")
    assert refusal(path) is None
    refuse(path, "no label is known: …")
    assert refusal(path) == "no label is known: …"
    with pytest.raises(StudyError, match="the cell was refused: no label is known"):
        read_records(path)


def test_missing_empty_and_cut_files_are_refused(tmp_path: Path, good: pd.DataFrame) -> None:
    for read in (read_records, refusal):
        with pytest.raises(StudyError, match="missing"):
            read(tmp_path / "nowhere.parquet")
    whole = write(good, tmp_path / "cell.parquet").read_bytes()
    for name, content in (("empty", b""), ("cut", whole[:-40]), ("text", b"item,score\n")):
        (tmp_path / name).write_bytes(content)
        for read in (read_records, refusal):
            with pytest.raises(StudyError, match="can't be read"):
                read(tmp_path / name)
    with pytest.raises(StudyError):
        read_records(tmp_path)
