"""Tables keep their columns, types and bytes; docs/tables.md lists the same columns."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.identity.code_digest import code_parts
from tuning_dynamics.tables.catalogue import TABLES, caption_of, columns_of, tables_of
from tuning_dynamics.tables.latex import MOST_UPRIGHT
from tuning_dynamics.tables.page import described
from tuning_dynamics.tables.tables import from_rows, read_table, typed, write_table

ROOT = Path(__file__).parents[3]

COLUMNS = ",".join(columns_of("groups"))


def groups(trend: float = 0.1) -> pd.DataFrame:
    row = {
        **{"family": "toy", "eval_set": "NA", "group": "learned", "compared_group": "other"},
        **{"shape": "stops", "trend": trend, "trend_low": 0.0, "trend_high": 1.0, "trend_p": 0.5},
    }
    return from_rows([row], "groups")


def cost(**changes: object) -> pd.DataFrame:
    row = {name: "x" if kind == "str" else None for name, kind in columns_of("cost").items()}
    return from_rows([{**row, **changes}], "cost")


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    for name, frame in (("groups", groups()), ("cost", cost(tokens=5, gpu=""))):
        write_table(frame, tmp_path / "tables" / f"{name}.csv")
        back = read_table(tmp_path / "tables" / f"{name}.csv")
        pd.testing.assert_frame_equal(back, frame)
        parquet = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
        pd.testing.assert_frame_equal(parquet, frame)
    assert [path.name for path in (tmp_path / "tables").glob(".*")] == []


def test_a_table_is_printed_as_latex_with_all_rows_escaped_and_rounded(tmp_path: Path) -> None:
    frame = pd.concat([groups(-0.12345), groups(np.nan), groups(4e-7)]).assign(
        eval_set=["a_b & 50 %", "", "{x}~\\"]
    )
    write_table(frame, tmp_path / "groups.csv")
    lines = (tmp_path / "groups.tex").read_text(encoding="utf-8").splitlines()
    rows = [line.removesuffix(r" \\").split(" & ") for line in lines if line.startswith("toy & ")]
    assert rows == [
        [
            "toy",
            r"a\_b \& 50 \%",
            "learned",
            "other",
            "stops",
            "$-$0.123",
            "0.000",
            "1.000",
            "0.500",
        ],
        ["toy", "---", "learned", "other", "stops", "---", "0.000", "1.000", "0.500"],
        [
            *("toy", r"\{x\}\textasciitilde \textbackslash ", "learned", "other", "stops"),
            *(r"$4.00 \times 10^{-7}$", "0.000", "1.000", "0.500"),
        ],
    ]
    names = "family & eval set & group & compared group & shape & trend & trend low & trend high"
    assert rf"{names} & trend p \\" in lines
    assert r"\begin{longtable}{lllllrrrr}" in lines
    assert lines[-2:] == [r"\end{longtable}", r"\endgroup"]


def test_every_table_has_a_caption_in_print_and_no_line_is_broken(tmp_path: Path) -> None:
    for name in TABLES:
        columns = columns_of(name)
        assert len(caption_of(name)) < 80
        assert caption_of(name).endswith(".")
        values = {"str": "a\nb", "int": -3, "float": 1.5}
        write_table(
            from_rows([{key: values[kind] for key, kind in columns.items()}], name),
            tmp_path / f"{name}.csv",
        )
        text = (tmp_path / f"{name}.tex").read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if "&" in line]
        assert [line.count(" & ") for line in rows] == [len(columns) - 1] * 3
        assert text.count(r"\begin") == text.count(r"\end{") + text.count(r"\endgroup")
        assert ("landscape" in text) == (len(columns) > MOST_UPRIGHT)


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    for name in TABLES:
        write_table(from_rows([], name), tmp_path / f"{name}.csv")
        assert list(read_table(tmp_path / f"{name}.csv").columns) == list(columns_of(name))


def test_rounding_differences_do_not_reach_the_bytes(tmp_path: Path) -> None:
    for folder, trend in (("a", 0.1 + 0.2), ("b", 0.3), ("c", -0.0), ("d", 0.0)):
        write_table(groups(trend), tmp_path / folder / "groups.csv")
    for name in ("groups.csv", "groups.parquet"):
        first, second, third, fourth = (
            (tmp_path / folder / name).read_bytes() for folder in "abcd"
        )
        assert first == second
        assert third == fourth
        assert first != third
    assert b"\r" not in (tmp_path / "a" / "groups.csv").read_bytes()


def test_a_number_is_empty_where_unknown_and_text_stays_text(tmp_path: Path) -> None:
    write_table(groups(np.nan), tmp_path / "groups.csv")
    assert "toy,NA,learned,other,stops,,0,1,0.5" in (tmp_path / "groups.csv").read_text()
    assert read_table(tmp_path / "groups.csv")["eval_set"].iloc[0] == "NA"


def test_wrong_columns_names_and_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="missing \\['trend'\\]"):
        typed(groups().drop(columns="trend"), "groups")
    with pytest.raises(StudyError, match="unknown"):
        typed(groups().assign(more=1), "groups")
    with pytest.raises(StudyError, match="not float"):
        typed(groups().assign(trend="high"), "groups")
    with pytest.raises(StudyError, match="not the name of a table"):
        write_table(groups(), tmp_path / "group.csv")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "readable"),
        ("family,eval_set,group,trend\na,b,c,1\n", "columns"),
        (f"{COLUMNS}\na,b,c,c,d,high,0,1,1\n", "not float"),
        (f'{COLUMNS}\na,b,c,c,d,1,0,1,1,1,1\n"', "readable"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "groups.csv").write_text(content)
    with pytest.raises(StudyError, match=problem) as caught:
        read_table(tmp_path / "groups.csv")
    assert "groups.csv" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="missing"):
        read_table(tmp_path / "groups.csv")


def test_a_failed_write_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(groups(1.0), tmp_path / "groups.csv")
    before = (tmp_path / "groups.csv").read_bytes()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_table(groups(2.0), tmp_path / "groups.csv")
    assert (tmp_path / "groups.csv").read_bytes() == before


def test_the_page_has_every_table_as_it_is_declared() -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == described(page), "run make generated"
    assert set(re.findall(r"^## `(\w+)\.csv`$", page, re.M)) == set(TABLES)
    for name in TABLES:
        assert all(TABLES[name].Row.meanings()[column] for column in columns_of(name))


@pytest.mark.parametrize(
    ("stub", "tables"),
    [
        ("stats_scores.py", tables_of("scores")),
        *((f"stats_{name}.py", (name,)) for name in ("findings", "datasets", "cost")),
        ("stats_checkpoints.py", tables_of("checkpoints")),
        (
            "stats_published.py",
            (*tables_of("scores"), *tables_of("checkpoints"), "datasets", "overlaps"),
        ),
        ("data_overlaps.py", ("overlaps",)),
    ],
)
def test_columns_count_in_the_code_of_the_job_that_writes_them(
    stub: str, tables: tuple[str, ...]
) -> None:
    counted = {Path(part.file).stem for part in code_parts(stub, frozenset()) if part.name == "Row"}
    assert counted >= set(tables)
    assert "comparison" not in counted


def test_a_summary_counts_where_the_job_makes_it() -> None:
    """The job's params name the summaries that it makes."""
    counted = {part.file for part in code_parts("stats_summaries.py", frozenset({"forgetting"}))}
    assert {f"stats/summaries/{name}.py" for name in ("forgetting", "noise")} <= counted
    assert "stats/transfer.py" in counted
    assert "stats/summaries/denominators.py" not in counted
