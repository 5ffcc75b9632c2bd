"""Texts of CSV files that a spreadsheet would run begin with an apostrophe, and come back."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuning_dynamics.tables.inert_text import inert_text, original_text
from tuning_dynamics.tables.tables import from_rows, read_table, write_table

RUN = [
    "=1+1",
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "=",
    "-",
    "\uff1d1",
]


@pytest.mark.parametrize("text", RUN)
def test_a_formula_is_text(text: str) -> None:
    assert inert_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+1e5", "-.5", "-12", "", "nli", "a=b", "'tis", "1-2"])
def test_numbers_and_other_texts_stay(text: str) -> None:
    assert inert_text(text) == text


@settings(derandomize=True, database=None, max_examples=200, deadline=None)
@given(st.text("'=+-@\t\r\n 0.5e\uff1dx"))
def test_every_text_comes_back(text: str) -> None:
    assert original_text(inert_text(text)) == text


def test_a_table_comes_back_and_holds_no_formula(tmp_path: Path) -> None:
    texts = [*RUN, "'=1", "''=1", "'", "-0.5", "a\rb", 'a"b', "a\nb", "\u2028", ",", "NA", " x "]
    rows = [
        {
            "family": text,
            "eval_set": "x",
            "group": "learned",
            "compared_group": "learned",
            "shape": "flat",
        }
        for text in texts
    ]
    frame = from_rows(rows, "groups")
    write_table(frame, tmp_path / "groups.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "groups.csv"), frame)
    with (tmp_path / "groups.csv").open(encoding="utf-8", newline="") as stream:
        cells = [row["family"] for row in csv.DictReader(stream, strict=True)]
    assert [original_text(cell) for cell in cells] == texts
    run = [cell for cell in cells if cell.lstrip()[:1] in {*"=+-@\uff1d"} and cell != "-0.5"]
    assert [cell for cell in run if cell] == []
    parquet = pd.read_parquet(tmp_path / "groups.parquet")
    assert list(parquet["family"]) == texts
