"""Two studies side by side: over the same items, by standard errors, from scores alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import paper_rows, write_rows
from synthetic import DRAWING
from unit.stats.test_published_tables import base, row
from unit.stats.test_scores import cell

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.answer_pattern import AnswerPattern
from tuning_dynamics.grid.compare_request import Sides, check_sides, sides_of
from tuning_dynamics.grid.evaluated_sets import EvaluatedSet
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.compare import (
    comparison_rows,
    read_side,
    unshared_rows,
    write_comparison,
)
from tuning_dynamics.tables.tables import read_table


def side(path: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return read_side(str(write_rows(path, rows)))


def test_by_standard_errors_and_from_scores_alone(tmp_path: Path) -> None:
    a = side(tmp_path / "a.csv", [base(se=0.03, n=100), row(), row(eval_set="c")])
    b = side(tmp_path / "b.csv", [base(score=0.5, se=0.04, n=100), row(score=0.4), row(seed=2)])
    table = comparison_rows(a, b).set_index("recipe")
    assert table["paired"].to_dict() == {"base": "errors", "full": "scores"}
    assert table["difference"].to_dict() == pytest.approx({"base": 0.1, "full": -0.1})
    # sqrt(.03² + .04²) = .05, so two standard errors.
    found = table.loc["base"]
    assert found["low"] == pytest.approx(0.1 - 1.959964 * 0.05, abs=1e-8)
    assert found["p_value"] == found["q_value"] == pytest.approx(0.0455002638)
    assert found["n"] == 100
    assert table.loc["full", ["low", "high", "p_value", "q_value", "n"]].isna().all()
    alone = unshared_rows(a, b)
    assert alone[["side", "eval_set", "seed"]].to_numpy().tolist() == [["a", "c", 1], ["b", "a", 2]]


def test_over_the_same_items_a_difference_is_paired(tmp_path: Path) -> None:
    # Equal hard items: both answer alike but for 12 of 200, all in favour of b.
    before = np.tile([0.0, 1.0], 100)
    after = before.copy()
    after[:24:2] = 1.0
    sides = []
    for name, own in (("a", before), ("b", after)):
        cells = [
            cell(tmp_path / f"{name}1", own),
            cell(tmp_path / f"{name}2", own[: 200 if name == "a" else 150], eval_set="other"),
        ]
        scores = cell_tables(cells[:1], **DRAWING)["scores"]
        scores = pd.concat([scores, cell_tables(cells[1:], **DRAWING)["scores"]])
        paths = [str(one["path"]) for one in cells]
        sides.append(scores.assign(path=paths, answer_pattern=None))
    table = comparison_rows(*sides).set_index("eval_set")
    found = table.loc["nli_people"]
    assert (found["paired"], found["n"]) == ("items", 200)
    assert found["difference"] == pytest.approx(0.06)
    # McNemar's exact test of 12 to 0.
    assert found["p_value"] == pytest.approx(2 * 0.5**12)
    assert 0.02 < found["low"] < 0.04 < 0.08 < found["high"] < 0.1
    # Other items: as of two independent scores, with a wide interval; n of neither.
    other = table.loc["other"]
    assert other["paired"] == "errors"
    assert pd.isna(other["n"])
    assert other["high"] - other["low"] > 0.18
    assert (table["q_value"] >= table["p_value"]).all()


def test_equal_answers_of_two_studies_are_no_certainty(tmp_path: Path) -> None:
    sides = []
    for name in "ab":
        one = cell(tmp_path / name, np.tile([0.0, 1.0], 30))
        scores = cell_tables([one], **DRAWING)["scores"]
        sides.append(scores.assign(path=str(one["path"]), answer_pattern=None))
    (row,) = comparison_rows(*sides).to_dict("records")
    assert (row["paired"], row["difference"]) == ("items", 0)
    assert row["low"] == pytest.approx(-row["high"])
    assert 0.03 < row["high"] < 0.06


def test_the_writers_type_of_text_makes_no_other_items(tmp_path: Path) -> None:
    cells = [cell(tmp_path / name, np.tile([0.0, 1.0], 10)) for name in "ab"]
    records = pq.read_table(cells[1]["path"])
    place = records.schema.get_field_index("gold")
    for kind in (pa.large_string(), pa.string()):
        gold = records["gold"].cast(pa.list_(kind))
        pq.write_table(records.set_column(place, "gold", gold), cells[1]["path"])
        sides = [
            cell_tables([one], **DRAWING)["scores"].assign(
                path=str(one["path"]), answer_pattern=None
            )
            for one in cells
        ]
        assert comparison_rows(*sides)["paired"].tolist() == ["items"]
    other = pa.array([["no"]] * len(records), pa.list_(pa.large_string()))
    pq.write_table(records.set_column(place, "gold", other), cells[1]["path"])
    assert comparison_rows(*sides)["paired"].tolist() == ["errors"]


def test_each_side_is_scored_by_its_own_pattern(tmp_path: Path) -> None:
    patterns = (None, AnswerPattern(pattern=r"([\d.]+)"))
    sides = []
    for name, pattern in zip("ab", patterns, strict=True):
        own = cell(tmp_path / name, np.tile([0.0, 1.0], 10), metric="accuracy")
        records = pd.read_parquet(own["path"])
        records["prediction"] = "answer: " + records["prediction"]
        records.to_parquet(own["path"], index=False)
        sets = {"nli_people": EvaluatedSet("nli_people", (), "no such file", pattern)}
        scores = cell_tables([{**own, "prediction": "greedy"}], sets=sets, **DRAWING)["scores"]
        sides.append(scores.assign(path=str(own["path"]), answer_pattern=[pattern]))
    (found,) = comparison_rows(*sides).to_dict("records")
    assert (found["a_score"], found["b_score"], found["paired"]) == (0.0, 0.5, "items")
    assert found["p_value"] == pytest.approx(2 * 0.5**10)


def test_what_a_comparison_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = paper_rows()
    write_rows(Path("published.csv"), rows)
    moved = [{**found, "score": round(found["score"] * 0.9, 4)} for found in rows[1:]]
    write_rows(Path("ours.csv"), moved)
    sides = sides_of({"side_a": "published.csv", "b": "./ours.csv", "study": "s"})
    write_comparison(sides)
    assert sides.root == "results/compare/published_vs_ours"
    table = read_table(Path(sides.root, "tables/comparison.csv"))
    assert len(table) == len(rows) - 1
    assert np.allclose(table["difference"], -0.1 * table["a_score"], atol=1e-4)
    assert len(read_table(Path(sides.root, "tables/unshared.csv"))) == 1
    text = sides.closing_text()
    assert "a alone" in text
    assert f"from scores alone {len(rows) - 1:,}" in text
    assert "differ at q < 0.05: 0 of 0 tested" in text


def test_a_study_of_published_scores_has_no_records(tmp_path: Path) -> None:
    folder = tmp_path / "results/s"
    (folder / "tables").mkdir(parents=True)
    frame = side(tmp_path / "mine.csv", [base()]).drop(columns=["path", "answer_pattern"])
    frame.to_csv(folder / "tables/scores.csv", index=False)
    study = {"study": "s", "scores": "gone.csv"}
    merged = {"study": study, **{key: {} for key in ("families", "tasks", "datasets", "recipes")}}
    (folder / "config.yaml").write_text(json.dumps(merged), encoding="utf-8")
    assert read_side(str(folder))["path"].tolist() == [""]


def test_results_from_before_there_were_draws_have_draw_0(tmp_path: Path) -> None:
    folder = tmp_path / "results/old"
    (folder / "tables").mkdir(parents=True)
    rows = [base(score=0.4), row(score=0.5)]
    frame = side(tmp_path / "mine.csv", rows).drop(columns=["path", "answer_pattern", "draw"])
    frame.to_csv(folder / "tables/scores.csv", index=False)
    old = read_side(str(folder))
    assert old["draw"].tolist() == [0, 0]
    new = side(tmp_path / "new.csv", [base(score=0.6), base(score=0.9, draw=1), row(score=0.5)])
    table = comparison_rows(old, new)
    assert table[["recipe", "draw"]].to_numpy().tolist() == [["base", 0], ["full", 0]]
    assert table["difference"].tolist() == pytest.approx([0.2, 0])
    alone = unshared_rows(old, new)
    assert alone[["side", "draw"]].to_numpy().tolist() == [["b", 1]]
    # Another column may not be missing.
    frame.drop(columns="shots").to_csv(folder / "tables/scores.csv", index=False)
    with pytest.raises(StudyError, match="missing \\['shots'\\]"):
        read_side(str(folder))


@pytest.mark.parametrize(
    ("a", "b", "what"),
    [
        (None, "x.csv", "a comparison has two sides"),
        ("x.csv", None, "a comparison has two sides"),
        ("x.csv", "results/none", "there are no scores to compare"),
        ("x.csv", "empty", "there are no scores to compare"),
        ("x.csv", "./x.csv", "both sides are the same scores"),
        ("x.csv", "link.csv", "both sides are the same scores"),
    ],
)
def test_sides_that_can_not_be_compared(
    a: str | None, b: str | None, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(Path("x.csv"), [base()])
    Path("link.csv").symlink_to("x.csv")
    Path("empty").mkdir()
    with pytest.raises(StudyError, match=what):
        check_sides(Sides(a, b))


def test_sides_without_a_shared_cell_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(Path("x.csv"), [base()])
    write_rows(Path("y.csv"), [base(family="other")])
    with pytest.raises(StudyError, match="share no cell") as error:
        write_comparison(Sides("x.csv", "y.csv"))
    assert "family=f" in str(error.value)
    assert "family=other" in str(error.value)
