"""A model that gives one answer whatever the item is flagged, and makes no noise floor."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import DRAWING, records_of
from unit.stats.test_noise import KEY, scores
from unit.stats.test_published_tables import row, write_rows

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.findings.caveats import one_answer
from tuning_dynamics.grid.published_table import read_layout
from tuning_dynamics.run.outcome import degenerate_lines
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.degenerate import chosen_options, commonest_share, degenerate
from tuning_dynamics.stats.noise import noise_floor, noise_rows
from tuning_dynamics.stats.published_tables import published_tables
from tuning_dynamics.tables.tables import write_table

GENERATED = {"kind": "generation", "prediction": "greedy", "metric": "rouge_l"}
CHOSEN = {"kind": "multiple_choice", "prediction": "likelihood"}


def cell(path: Path, answers: list[str], golds: list[str], **changes: Any) -> dict[str, Any]:
    """A cell with these answers; `options` are the scores of each item's options."""
    options = changes.pop("options", [[0.1, 0.2]] * len(answers))
    table = records_of(np.zeros(len(answers)))
    table = table.assign(prediction=answers, gold=[[gold] for gold in golds], option_scores=options)
    table.to_parquet(path, index=False)
    return {**KEY, "path": path, **changes}


def flagged(*cells: dict[str, Any]) -> pd.Series:
    """The row of scores.csv of the first cell."""
    return cell_tables(cells, **DRAWING)["scores"].iloc[0]


def test_one_label_on_all_items_is_flagged(tmp_path: Path) -> None:
    path = tmp_path / "cell.parquet"
    found = flagged(cell(path, ["no"] * 60, ["no", "yes", "maybe"] * 20))
    assert (found["commonest"], found["degenerate"]) == (1.0, "yes")
    assert found["score"] == pytest.approx(1 / 3)
    assert found["records"] == str(path)


@pytest.mark.parametrize(("same", "flag"), [(56, ""), (57, "yes"), (60, "yes")])
def test_from_95_percent_of_the_items_on(tmp_path: Path, same: int, flag: str) -> None:
    answers = ["no"] * same + ["yes"] * (60 - same)
    found = flagged(cell(tmp_path / "a", answers, ["no", "yes"] * 30))
    assert (found["commonest"], found["degenerate"]) == (pytest.approx(same / 60), flag)


def test_one_label_is_right_where_the_set_has_hardly_another(tmp_path: Path) -> None:
    found = flagged(cell(tmp_path / "a", ["no"] * 60, ["no"] * 58 + ["yes"] * 2))
    assert (found["commonest"], found["degenerate"]) == (1.0, "")


def test_no_label_at_all_is_one_answer(tmp_path: Path) -> None:
    found = flagged(cell(tmp_path / "a", [""] * 60, ["no", "yes"] * 30, prediction="free"))
    assert found["degenerate"] == "yes"


def test_options_are_counted_by_their_place(tmp_path: Path) -> None:
    """Each item has its own options: the texts differ where the place is always the first."""
    golds = [f"right {number}" for number in range(40)]
    texts = [f"first {number}" for number in range(40)]
    first = flagged(cell(tmp_path / "a", texts, golds, options=[[-1.0, -2.0]] * 40, **CHOSEN))
    assert (first["commonest"], first["degenerate"]) == (1.0, "yes")
    turns = [[-1.0, -2.0], [-3.0, -2.0]] * 20
    varied = flagged(cell(tmp_path / "b", texts, golds, options=turns, **CHOSEN))
    assert (varied["commonest"], varied["degenerate"]) == (0.5, "")
    assert chosen_options([[-2.0, -2.0], [-3.0, -1.0, -1.0]]) == ["0", "1"]


def test_an_item_without_scores_of_options_is_refused(tmp_path: Path) -> None:
    broken = cell(tmp_path / "a", ["a", "b"], ["a", "b"], options=[[], [-1.0]], **CHOSEN)
    with pytest.raises(StudyError, match="a record has no option_scores"):
        flagged(broken)


@pytest.mark.parametrize("text", ["", "The cat ."])
def test_one_text_for_half_of_the_items_is_flagged(tmp_path: Path, text: str) -> None:
    golds = [f"gold number {number}" for number in range(40)]
    copies = [text, f" {text}\n".upper()] * 10
    found = flagged(cell(tmp_path / "a", [*copies, *golds[20:]], golds, **GENERATED))
    # Half of the answers are right, so a score of .5: as many as are alike.
    assert (found["commonest"], found["degenerate"]) == (0.5, "")
    found = flagged(cell(tmp_path / "b", [*copies, text, *golds[21:]], golds, **GENERATED))
    assert (found["commonest"], found["degenerate"]) == (pytest.approx(21 / 40), "yes")


def test_an_answer_that_is_often_right_is_not_flagged() -> None:
    share = commonest_share(["no"] * 60 + [f"x{number}" for number in range(40)])
    kinds, shares = ["generation"] * 2, np.array([share, share])
    assert degenerate(kinds, shares, np.array([0.9, 0.4])) == ["", "yes"]
    assert degenerate(["classification"], np.array([np.nan]), np.array([0.5])) == [""]


def test_collapsed_seeds_agree_and_make_no_floor() -> None:
    """Three seeds that answer one label score alike: as if nothing varied from seed to seed."""
    collapsed = [{"seed": seed, "score": 0.5, "degenerate": "yes"} for seed in (1, 2, 3)]
    sound = [
        {"seed": seed, "score": score, "eval_set": "nli_places", "degenerate": ""}
        for seed, score in ((1, 0.5), (2, 0.6))
    ]
    table = noise_rows(scores(*collapsed, *sound))
    assert set(table["eval_set"]) == {"nli_places"}
    floor = noise_floor(table, recipe="full", eval_sets={"nli_people", "nli_places"})
    assert floor.value == pytest.approx(0.1)
    assert not noise_floor(table, recipe="full", eval_sets={"nli_people"}).pairs
    # With one of the three collapsed, the two others still make a pair.
    mixed = [{**collapsed[0]}, *({**one, "eval_set": "nli_people"} for one in sound)]
    assert noise_rows(scores(*mixed))["pairs"].tolist() == [1, 1]


def test_a_published_table_may_say_it(tmp_path: Path) -> None:
    given = row(commonest="0.97", degenerate="yes", records="elsewhere/cell.parquet")
    path = write_rows(tmp_path / "scores.csv", [given])
    made = published_tables(read_layout(str(path), "scores"), 0.95, {}, {})["scores"].iloc[0]
    assert (made["commonest"], made["degenerate"], made["records"]) == (0.97, "yes", "")


@pytest.mark.parametrize(
    ("column", "value"), [("commonest", "97"), ("commonest", "-0.1"), ("degenerate", "no")]
)
def test_a_published_table_with_another_value_is_refused(
    tmp_path: Path, column: str, value: str
) -> None:
    path = write_rows(tmp_path / "scores.csv", [row(**{column: value})])
    with pytest.raises(StudyError, match=f"line 2, column {column}"):
        read_layout(str(path), "scores")


def test_the_top_of_a_page_counts_them_by_recipe_and_names_the_sets() -> None:
    table = scores(
        {"degenerate": "yes"},
        {"seed": 2, "degenerate": ""},
        {"recipe": "lora", "degenerate": "yes"},
    )
    (words,) = one_answer(table).values()
    assert words.startswith("2 of 3 (1 full, 1 lora), of nli_people")
    assert one_answer(table[table["degenerate"] == ""]) == {}


def test_a_run_ends_with_the_sets_that_have_such_cells(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    assert degenerate_lines(path) == []
    rows = [
        {"seed": seed, "eval_set": f"set{number}", "degenerate": "yes"}
        for number in range(10)
        for seed in range(1 + (number == 3))
    ]
    write_table(scores(*rows, {"degenerate": ""}), path)
    count, sets, where = degenerate_lines(path)
    assert "11 of 12 cells" in count
    assert sets.strip().startswith("set3 (2), set0 (1)")
    assert sets.endswith("and 2 more sets")
    assert str(path) in where
    write_table(scores({"degenerate": ""}), path)
    assert degenerate_lines(path) == []
