"""From a published study's scores: the paper's group changes and mean ratio of change, exactly.

Scores are chosen so that every change and ratio can be worked out by hand; items are unknown.
"""

from pathlib import Path

import pandas as pd
import pytest
from synthetic import asked

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.findings.findings import finding_rows
from tuning_dynamics.stats.published_tables import write_published
from tuning_dynamics.stats.summarise import SummarySettings, summary_tables
from tuning_dynamics.tables.tables import read_tables

COLUMNS = (
    "family,checkpoint,step,tokens,recipe,train_set,seed,eval_set,task,kind,role,format,shots,"
    "prediction,metric,n,score,se,ci_low,ci_high,truncated"
)

#: Set -> task, kind, and the base score at the first checkpoint and at the second.
BASE = {
    "xsum": ("summary", "generation", 0.10, 0.20),
    "cnn": ("summary", "generation", 0.20, 0.25),
    "socialiqa": ("question_generation", "generation", 0.30, 0.40),
    "sciq": ("question_generation", "generation", 0.40, 0.50),
    "mnli": ("nli", "classification", 0.40, 0.40),
    "rte": ("nli", "classification", 0.50, 0.50),
    "arc": ("multiple_choice", "multiple_choice", 0.25, 0.50),
}

#: Recipe, train set, evaluation set, role -> change at both checkpoints.
TUNED = {
    ("full", "mnli", "mnli", "id"): (0.40, 0.30),
    ("full", "mnli", "rte", "ood"): (0.10, 0.20),
    ("full", "mnli", "xsum", "cross"): (-0.05, -0.10),
    ("full", "mnli", "sciq", "cross"): (-0.20, -0.40),
    ("full", "xsum", "xsum", "id"): (0.20, 0.30),
    ("full", "xsum", "cnn", "ood"): (0.10, 0.05),
    ("full", "xsum", "mnli", "cross"): (0.04, -0.02),
    ("full", "socialiqa", "sciq", "ood"): (0.02, -0.05),
    ("instruction", "tulu", "arc", "bench"): (0.05, 0.25),
}

GROUPS = {"learned": ["sciq", "arc"], "not_learned": ["mnli", "rte", "cnn"]}


def lines(tuned: dict[tuple[str, str, str, str], tuple[float, float]] = TUNED) -> list[str]:
    """The table's lines below its header."""
    found = []
    for place, (checkpoint, step) in enumerate((("step1000", 1000), ("main", 738000))):
        start = f"olmo,{checkpoint},{step},{step * 4_194_304}"
        for name, (task, kind, *scores) in BASE.items():
            way = "token_prob,accuracy" if kind != "generation" else "greedy,rouge_l"
            role = "bench" if name == "arc" else ""
            end = f"{task},{kind},{role},default,4,{way},,{scores[place]:.2f},,,,"
            found.append(f"{start},base,,,{name},{end}")
        for (recipe, train_set, name, role), changes in tuned.items():
            task, kind, *scores = BASE[name]
            way = "token_prob,accuracy" if kind != "generation" else "greedy,rouge_l"
            score = scores[place] + changes[place]
            end = f"{task},{kind},{role},default,0,{way},,{score:.2f},,,,"
            found.append(f"{start},{recipe},{train_set},42,{name},{end}")
    return found


def summed_up(folder: Path, rows: list[str], what: SummarySettings) -> dict[str, pd.DataFrame]:
    """The tables that follow from a file of scores."""
    path = folder / "published.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n", encoding="utf-8")
    tables = folder / "tables"
    write_published(
        str(path), tables, layout="scores", level=0.95, chance={"mnli": 1 / 3}, train_kinds={}
    )
    made = read_tables(map(str, tables.glob("*.csv")))
    return {**made, **summary_tables(made, what)}


TABLE_6 = asked(groups=GROUPS, group_recipes=("full", "instruction"), roles=("id", "ood", "bench"))


def test_group_changes_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    tables = summed_up(tmp_path, lines(), TABLE_6)
    table = tables["group_changes"].set_index(["checkpoint", "group"])
    expected = {
        ("step1000", "learned"): (0.02 + 0.05) / 2,
        ("step1000", "other"): (0.40 + 0.10 + 0.10) / 3,
        ("main", "learned"): (-0.05 + 0.25) / 2,
        ("main", "other"): (0.30 + 0.20 + 0.05) / 3,
        ("all", "learned"): (0.02 + 0.05 - 0.05 + 0.25) / 4,
    }
    for key, value in expected.items():
        assert table.loc[key, "mean_change"] == pytest.approx(value, abs=1e-9)
    assert table.loc[("main", "learned"), "cells"] == 2
    assert table["low"].isna().all()
    # The train set's own test set, in no group, is left over: undecided, and said so.
    assert set(tables["groups"].set_index("eval_set").loc[["xsum", "socialiqa"], "group"]) == {
        "undecided"
    }


def test_a_repeated_cell_is_refused_by_name(tmp_path: Path) -> None:
    again = [line for line in lines() if ",socialiqa,42,sciq," in line]
    with pytest.raises(StudyError, match="sciq"):
        summed_up(tmp_path, [*lines(), again[0]], TABLE_6)


def test_a_set_that_two_recipes_tuned_counts_in_no_group(tmp_path: Path) -> None:
    twice = {**TUNED, ("instruction", "tulu", "sciq", "bench"): (0.1, 0.1)}
    with pytest.raises(StudyError, match=r"'sciq' would count twice.*full and by instruction"):
        summed_up(tmp_path, lines(twice), TABLE_6)
    alone = asked(groups=GROUPS)
    table = summed_up(tmp_path, lines(twice), alone)["group_changes"]
    found = table.set_index(["checkpoint", "group"])["mean_change"]
    assert found["step1000", "learned"] == pytest.approx(0.02)


def test_declared_groups_name_known_sets_once(tmp_path: Path) -> None:
    for groups, problem in (
        ({**GROUPS, "learned": ["sciqq"]}, "did you mean 'sciq'"),
        ({**GROUPS, "learned": ["rte"]}, "'rte' is declared twice"),
    ):
        with pytest.raises(StudyError, match=problem):
            summed_up(tmp_path, lines(), asked(groups=groups))


def ratio(rows: pd.DataFrame, checkpoint: str, train: str, evaluated: str) -> tuple[float, int]:
    chosen = rows[
        (rows["checkpoint"] == checkpoint)
        & (rows["train_kind"] == train)
        & (rows["eval_kind"] == evaluated)
        & (rows["statistic"] == "mean_ratio")
    ]
    assert len(chosen) == 1
    return float(chosen["value"].iloc[0]), int(chosen["cells"].iloc[0])


def test_the_mean_ratio_of_change_is_that_worked_out_by_hand(tmp_path: Path) -> None:
    table = summed_up(tmp_path, lines(), asked())["transfer"]
    value, cells = ratio(table, "step1000", "classification", "generation")
    assert (value, cells) == (pytest.approx((-0.05 / 0.10 - 0.20 / 0.40) / 2), 2)
    value, cells = ratio(table, "main", "classification", "generation")
    assert (value, cells) == (pytest.approx((-0.10 / 0.20 - 0.40 / 0.50) / 2), 2)
    value, cells = ratio(table, "main", "generation", "classification")
    assert (value, cells) == (pytest.approx(-0.02 / 0.40), 1)
    # MNLI itself, which was tuned on, doesn't count.
    value, cells = ratio(table, "main", "classification", "classification")
    assert (value, cells) == (pytest.approx(0.20 / 0.50), 1)


def test_the_mean_ratio_over_any_sets_is_that_worked_out_by_hand(tmp_path: Path) -> None:
    chosen = asked(train_sets=("mnli", "xsum"), eval_sets=("xsum", "mnli", "rte", "sciq"))
    table = summed_up(tmp_path, lines(), chosen)["transfer"]
    value, cells = ratio(table, "step1000", "all", "all")
    ratios = [0.10 / 0.50, -0.05 / 0.10, -0.20 / 0.40, 0.04 / 0.40]
    assert (value, cells) == (pytest.approx(sum(ratios) / 4), 4)
    for names in ({"train_sets": ("tulu",)}, {"eval_sets": ("xsumm",)}):
        with pytest.raises(StudyError, match="known: "):
            summed_up(tmp_path, lines(), asked(**names))


def test_findings_say_what_they_have_no_items_for(tmp_path: Path) -> None:
    tables = summed_up(tmp_path, lines(), asked())
    found = finding_rows(tables, asked()).set_index("finding")
    assert set(found["verdict"]) <= {"cannot tell", "supported", "contradicted"}
    assert list(found["verdict"].iloc[:4]) == ["cannot tell"] * 4
    assert found.loc["forgetting", "value"] == pytest.approx((-0.05 - 0.20 - 0.10 - 0.40) / 4)
    assert "No interval: 1 train set where 2 are needed." in found.loc["forgetting", "sentence"]
    assert "2 checkpoints where 5 are needed" in found.loc["turning_point", "sentence"]
    assert tables["forgetting"]["low"].isna().all()
    assert set(tables["latent_gain"]["under_floor"]) == {"unknown"}
