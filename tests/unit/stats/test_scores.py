"""One row per cell, with the mean itself as its score; all cells of a set on the same items."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import DRAWING, PLANTED, records_of

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats import item_blocks as blocks
from tuning_dynamics.stats.bootstrap import expanded
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.tables.catalogue import columns_of


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
        "draw": 0,
        "prediction": "token_prob",
        "metric": PLANTED,
        "path": path,
        **changes,
    }


def score_rows(cells: list[dict[str, Any]], **more: Any) -> pd.DataFrame:
    """scores.csv of the cells."""
    return cell_tables(cells, **DRAWING, **more)["scores"]


def scipy_ends(scores: Any, method: str) -> tuple[float, float]:
    """The interval that scipy gives the mean of `scores` at the level expanded for their number."""
    found = stats.bootstrap(
        (np.asarray(scores),),
        np.mean,
        n_resamples=DRAWING["resamples"],
        confidence_level=expanded(DRAWING["level"], len(scores)),
        method=method,
        rng=np.random.default_rng(DRAWING["seed"]),
    )
    return tuple(found.confidence_interval)


#: The mean is .1, the middle of the interval is not.
SKEWED = [0.0] * 8 + [0.1, 0.9]


def test_the_score_is_the_mean_and_not_the_middle_of_the_interval(tmp_path: Path) -> None:
    row = score_rows([cell(tmp_path / "a", SKEWED)]).iloc[0]
    assert row["score"] == pytest.approx(0.1)
    assert (row["ci_low"] + row["ci_high"]) / 2 != pytest.approx(0.1)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(scipy_ends(SKEWED, "percentile"))
    assert row["se"] == pytest.approx(np.std(SKEWED, ddof=1) / np.sqrt(10))
    assert (row["n"], row["truncated"]) == (10, 0)


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_shares_of_right_answers_have_intervals_of_shares(tmp_path: Path, interval: str) -> None:
    """One right answer of ten, and none: whatever the method for other scores."""
    answers = [[0.0] * 9 + [1.0], [0.0] * 10, [1.0] * 10]
    cells = [cell(tmp_path / str(n), a, shots=n) for n, a in enumerate(answers)]
    table = score_rows(cells, interval=interval)
    assert table["score"].tolist() == pytest.approx([0.1, 0, 1])
    for _, row in table.iterrows():
        # Clopper and Pearson's interval holds Blaker's, which holds the share.
        wide = stats.binomtest(round(10 * row["score"]), 10).proportion_ci(0.95, "exact")
        assert wide.low <= row["ci_low"] <= row["score"] <= row["ci_high"] <= wide.high
    assert (table["ci_high"] - table["ci_low"]).min() > 0.2
    assert table["se"].min() > 0


def test_rows_are_sorted_by_number_and_have_the_tables_columns(tmp_path: Path) -> None:
    cells = [
        cell(tmp_path / f"{step}", SKEWED, step=step, checkpoint=str(step))
        for step in (1000, 20, 3)
    ]
    table = score_rows(cells)
    assert list(table["step"]) == [3, 20, 1000]
    assert list(table.columns) == list(columns_of("scores"))


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_study_chooses_the_interval(tmp_path: Path, interval: str) -> None:
    row = score_rows([cell(tmp_path / "a", SKEWED)], interval=interval).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(scipy_ends(SKEWED, interval))


def test_items_that_share_a_context_are_drawn_together(tmp_path: Path) -> None:
    """Five stories of four questions each, scored alike: as good as five items."""
    stories = [0.0, 0.25, 0.5, 0.5, 1.0]
    one = cell(tmp_path / "a", np.repeat(stories, 4))
    names = np.repeat([f"story-{number}" for number in range(5)], 4)
    records_of(np.repeat(stories, 4)).assign(context=names).to_parquet(one["path"])
    row = score_rows([one]).iloc[0]
    assert row["n"] == 20
    assert row["se"] == pytest.approx(np.std(stories, ddof=1) / np.sqrt(5))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(scipy_ends(stories, "percentile"))


def test_the_order_of_cells_does_not_matter(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    cells = [
        cell(tmp_path / name, generator.uniform(size=size), eval_set=name)
        for name, size in (("a", 20), ("b", 30), ("c", 20))
    ]
    assert score_rows(cells).equals(score_rows(cells[::-1]))


def test_truncated_items_are_counted(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    records_of(SKEWED).assign(truncated=[True] * 3 + [False] * 7).to_parquet(one["path"])
    assert score_rows([one])["truncated"].iloc[0] == 3


def test_draws_are_cells_of_their_own(tmp_path: Path) -> None:
    cells = [
        cell(tmp_path / f"{shots}{draw}", [0.5, 0.1 * draw], shots=shots, draw=draw)
        for shots, draw in ((4, 2), (2, 0), (4, 0))
    ]
    tables = cell_tables(cells, **DRAWING)
    rows = tables["scores"][["shots", "draw", "score"]].to_numpy().tolist()
    assert rows == [[2, 0, 0.25], [4, 0, 0.25], [4, 2, pytest.approx(0.35)]]
    # Their mean has one row.
    means = tables["seed_means"]
    assert "draw" not in means
    assert means["shots"].tolist() == [2, 4]
    assert means["score"].tolist() == pytest.approx([0.25, 0.3])


def test_a_cell_given_twice_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    # Another role doesn't make another cell: that is how one set was once counted twice.
    with pytest.raises(StudyError, match="more than once"):
        score_rows([one, {**one, "role": "bench"}])


def test_a_cell_without_its_file_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    one["path"].unlink()
    with pytest.raises(StudyError, match="missing"):
        score_rows([one])


def test_a_cell_of_one_item_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="at least 2 items") as caught:
        score_rows([cell(tmp_path / "one.parquet", [1.0])])
    assert "one.parquet" in str(caught.value)


def test_a_cell_without_a_key_column_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "a", SKEWED)
    del one["metric"]
    with pytest.raises(StudyError, match="lacks metric"):
        score_rows([one])


def test_a_cell_of_one_context_is_refused(tmp_path: Path) -> None:
    one = cell(tmp_path / "one.parquet", SKEWED)
    records_of(SKEWED).assign(context="story").to_parquet(one["path"])
    with pytest.raises(StudyError, match="at least 2 contexts"):
        score_rows([one])


def test_other_items_of_a_set_are_refused_and_counted(tmp_path: Path) -> None:
    cells = [cell(tmp_path / "a", [0.5] * 10), cell(tmp_path / "b", [0.5] * 12, format="io")]
    with pytest.raises(StudyError, match="2 items are scored in only one of two cells") as caught:
        score_rows(cells)
    assert "item-00010" in str(caught.value)
    assert str(tmp_path / "a") in str(caught.value)
    # Sets of one name in two families are the same set too.
    cells[1]["family"] = "other"
    with pytest.raises(StudyError, match="2 items are scored"):
        score_rows(cells)


@pytest.mark.parametrize(
    ("column", "values"), [("gold", [["yes"], ["no"], ["yes"]]), ("context", ["a", "b", "c"])]
)
def test_another_gold_answer_or_context_is_refused(
    tmp_path: Path, column: str, values: list[Any]
) -> None:
    cells = [cell(tmp_path / "a", [0.5] * 3), cell(tmp_path / "b", [0.5] * 3, format="io")]
    changed = records_of([0.5] * 3)
    changed[column] = values
    changed.to_parquet(cells[1]["path"])
    with pytest.raises(StudyError, match=f"items have a different {column}"):
        score_rows(cells)


def test_blocks_of_any_size_give_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    cells = [
        cell(
            tmp_path / f"{step}{recipe}",
            generator.uniform(size=30),
            step=step,
            checkpoint=str(step),
            **({} if recipe == "base" else {"recipe": recipe, "train_set": "t", "seed": 1}),
        )
        for step in (10, 20, 30)
        for recipe in ("base", "full")
    ]
    whole = cell_tables(cells, **DRAWING)
    for limit in (1, 5 * DRAWING["resamples"]):
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", limit)
        found = cell_tables(cells, **DRAWING)
        for name, table in whole.items():
            pd.testing.assert_frame_equal(found[name], table, rtol=1e-12)


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = cell(tmp_path / "base", SKEWED)
    tuned = {"recipe": "full", "train_set": "t", "seed": 1}
    cells = [
        base,
        *(cell(tmp_path / name, SKEWED, **tuned, format=name) for name in ("default", "io")),
    ]
    read, found = blocks.read_records, list[Path]()
    monkeypatch.setattr(
        blocks, "read_records", lambda path, **more: found.append(path) or read(path, **more)
    )
    score_rows(cells)
    assert sorted(found) == sorted(one["path"] for one in cells)


def test_no_cells_give_an_empty_table() -> None:
    assert list(score_rows([]).columns) == list(columns_of("scores"))
