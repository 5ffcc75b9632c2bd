"""Files are read strictly: what a row does not say becomes no value, and nothing is lost."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuning_dynamics.common.errors import StudyError, UnavailableError
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


GLUED = """b,a,g
wet,"We won said the girl .,entailment
dry,The TV is 42",contradiction
cold,It snows .,neutral
"""


def test_rows_that_a_pair_of_stray_quotes_would_make_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="lines 2 to 3 are one record if") as caught:
        rows_of(tmp_path / "a.csv", GLUED)
    assert caught.value.key == "line 2"
    three = GLUED.replace("\ndry", "\nwarm,It is May .,neutral\ndry")
    with pytest.raises(StudyError, match="lines 2 to 4"):
        rows_of(tmp_path / "a.csv", three)
    at_ends = 'a,g\n"It rains .,no\nIt is wet .,yes"\n'
    with pytest.raises(StudyError, match="lines 2 to 3"):
        rows_of(tmp_path / "a.csv", at_ends)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('a,g\n"one\ntwo",no\n', "one\ntwo"),
        ('a,g\n"one,\ntwo,","no"\n', "one,\ntwo,"),
        ('a,g\n"He said ""one,\ntwo,""",no\n', 'He said "one,\ntwo,"'),
        ('a,g\n"one, two",no\n', "one, two"),
        ('a\n"one\ntwo"\n', "one\ntwo"),
        ('a,g\n42" TV,no\n', '42" TV'),
    ],
)
def test_a_field_that_is_quoted_as_a_whole_keeps_its_line_breaks(
    tmp_path: Path, text: str, value: str
) -> None:
    (row,) = rows_of(tmp_path / "a.csv", text)
    assert row["a"] == value


def test_rows_have_the_line_where_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n\nx,"one\n\ntwo"\n\ny,z\n')
    places = ["line 3 of a.csv", "line 7 of a.csv"]
    assert [place for place, _ in read_rows(path)] == places
    (tmp_path / "a.jsonl").write_text('{}\n\n \r\n{"a": "b\u2028c"}\n')
    assert [place for place, _ in read_rows(tmp_path / "a.jsonl")] == [
        "line 1 of a.jsonl",
        "line 4 of a.jsonl",
    ]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("a,b\nx,y\n".encode("utf-16"), "not UTF-8"),
        ("a,b\né,y\n".encode("latin-1"), "not UTF-8"),
        (b"a,a \nx,y\n", "a column is given twice"),
        (b",\nx,y\n", "a column is given twice"),
        (b"a;b\nx;y,z\n", "a different number of fields"),
        (b"a,b\rx,y\r", "not CSV"),
    ],
)
def test_a_csv_file_of_another_kind_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    with pytest.raises(StudyError, match=what):
        rows_of(tmp_path / "a.csv", data)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"a": ' + "9" * 5000 + "}", "a whole number of thousands of digits"),
        ('\ufeff{"a": 1}', "Unexpected UTF-8 BOM"),
        ('{"a": 1}\r{"a": 2}', "Extra data"),
        ("\u00a0", "Expecting value"),
        ("{'a': 1}", "property name"),
        ('{"a": 01}', "delimiter"),
        ('{"a": "b\tc"}', "control character"),
    ],
)
def test_a_line_that_is_nearly_json_is_refused(tmp_path: Path, line: str, what: str) -> None:
    with pytest.raises(StudyError, match=what) as caught:
        rows_of(tmp_path / "a.jsonl", f'{{"a": 0}}\n{line}\n')
    assert caught.value.key == "line 2"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").mkdir()
    for name in ("a", "b", "c", "d" * 300):
        with pytest.raises(UnavailableError, match=r"does not exist|can't be read"):
            read_rows(tmp_path / f"{name}.jsonl")
