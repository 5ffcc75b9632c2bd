"""Parquet files are read in bounded memory, and only where their values are those of rows."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data import parquet
from tuning_dynamics.data.sources import read_rows

LONG = "x" * 10_000_000
ONCE = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array([LONG]))
TURN = {"role": "user", "content": LONG}


@pytest.mark.parametrize(
    "column",
    [
        ONCE,
        pa.ListArray.from_arrays(list(range(0, 2001, 500)), ONCE),
        pa.StructArray.from_arrays([ONCE], names=["content"]),
        pa.MapArray.from_arrays([0, 1000, 2000], pa.array(map(str, range(2000))), ONCE),
    ],
)
def test_a_value_stored_once_and_shown_often_is_counted_first(
    tmp_path: Path, column: pa.Array
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": column}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    before = pa.total_allocated_bytes()
    with pytest.raises(StudyError, match=r"would unpack to \d+,\d+,\d+,\d+ bytes"):
        list(read_rows(path))
    assert pa.total_allocated_bytes() - before < 100_000_000


def test_rows_within_the_bounds_are_read_whatever_they_repeat(tmp_path: Path) -> None:
    rows = [{"m": [{"role": "user", "content": "Hi ."}] * 3, "t": "x" * 9000}] * 2500
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [row for _, row in read_rows(tmp_path / "a.parquet")] == rows


@pytest.mark.parametrize(
    ("bound", "value", "says"),
    [
        ("MOST_VALUES", 3, "has 4 rows"),
        ("MOST_OF_GROUP", 10, "a row group of the parquet file would unpack"),
    ],
)
def test_what_the_footer_says_is_believed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, says: str
) -> None:
    monkeypatch.setattr(parquet, bound, value)
    monkeypatch.setattr(parquet, "USUAL_RATIO", 0.5)
    pq.write_table(pa.table({"a": ["x"] * 4}), tmp_path / "a.parquet")
    with pytest.raises(StudyError, match=says):
        list(read_rows(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        pa.array([2**60], pa.timestamp("us")),
        pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers()),
        pa.StructArray.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"]),
    ],
)
def test_values_that_python_cannot_hold_are_refused(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
    with pytest.raises(StudyError, match="damaged, or holds values of a type that is not read"):
        list(read_rows(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pa.array(["x"], pa.string_view()), "x"),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array([["x"]], pa.large_list(pa.large_string())), ["x"]),
        (pa.array([datetime.date(2024, 1, 1)]), datetime.date(2024, 1, 1)),
        (pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())), [("k", "v")]),
    ],
)
def test_other_types_are_read_as_pyarrow_reads_them(
    tmp_path: Path, column: pa.Array, value: Any
) -> None:
    pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
    assert list(read_rows(tmp_path / "a.parquet")) == [("row 1 of a.parquet", {"a": value})]
