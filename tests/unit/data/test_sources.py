"""Files are read strictly: what a row does not say becomes no value, and nothing is lost."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.sources import read_rows


def rows_of(path: Path, text: str | bytes) -> list[dict[str, Any]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [row for _, row in read_rows(path)]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_missing_values(tmp_path: Path, number: str) -> None:
    (row,) = rows_of(tmp_path / "a.jsonl", f'{{"a": {number}, "b": [{number}], "c": 1.5}}\n')
    assert row == {"a": None, "b": [None], "c": 1.5}
    assert json.dumps(row, allow_nan=False)


def test_parquets_missing_numbers_are_missing_values(tmp_path: Path) -> None:
    nan = float("nan")
    columns = {"a": [nan, 2.0], "b": [["x"], ["y"]], "c": [{"d": nan}, {"d": 1.0}]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    (_, first), (_, second) = read_rows(tmp_path / "a.parquet")
    assert first == {"a": None, "b": ["x"], "c": {"d": None}}
    assert second == {"a": 2.0, "b": ["y"], "c": {"d": 1.0}}


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_byte_order_mark_is_no_text(tmp_path: Path, suffix: str) -> None:
    text = {"jsonl": '{"a": "x"}\n', "csv": "a\nx\n"}[suffix]
    assert rows_of(tmp_path / f"a.{suffix}", b"\xef\xbb\xbf" + text.encode()) == [{"a": "x"}]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ('{"x": {"b": 1, "b": 1}}', "the key 'b' is given twice"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('["a"]', "is not a JSON object"),
        ('{"a": 1} {"a": 2}', "Extra data"),
    ],
)
def test_a_line_that_could_be_read_in_two_ways_is_refused(
    tmp_path: Path, line: str, what: str
) -> None:
    with pytest.raises(StudyError, match=what) as caught:
        rows_of(tmp_path / "a.jsonl", f'{{"a": 0}}\n{line}\n')
    assert caught.value.key == "line 2"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('b,a\nwet,"We won said the girl .\ndry,42" TVs were sold\n', "is not CSV"),
        ('b,a\nwet,"rain" today\n', "is not CSV"),
        ('b,a\nwet,"rain\n', "is not CSV"),
        ("a,b,a\n1,2,3\n", "a column is given twice"),
        ("a,b\n1\n", "a different number of fields"),
        ("a,b\n1,2,3\n", "a different number of fields"),
    ],
)
def test_a_csv_file_that_would_lose_text_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(StudyError, match=what):
        rows_of(tmp_path / "a.csv", text)


def test_quotes_within_a_csv_field_are_text(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "a.csv", 'a,b\n"He said ""no"", then\nleft","5"\n')
    assert row == {"a": 'He said "no", then\nleft', "b": "5"}


def test_a_parquet_column_given_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(StudyError, match="a column is given twice"):
        list(read_rows(tmp_path / "a.parquet"))
