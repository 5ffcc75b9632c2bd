"""Cells that were refused: an error, or left out of a partial study and reported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from drawn import drawn
from planted import ROOT, PlantedJobs
from synthetic import (
    DRAWING,
    Truth,
    asked,
    checkpoint_table,
    dataset_table,
    refuse,
    write_cells,
)
from unit.stats.test_scores import cell

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.findings.caveats import refused
from tuning_dynamics.findings.findings import FINDINGS, finding_rows
from tuning_dynamics.report.account import grid_rows
from tuning_dynamics.report.figures.draw import DRAWN
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.summarise import summary_tables
from tuning_dynamics.tables.tables import from_rows

Cell = dict[str, Any]
Tables = dict[str, pd.DataFrame]

#: A study of two families, of which each table has rows.
SMALL = Truth(
    families=("other", "toy"),
    steps=(100, 1000),
    domains=("people", "places"),
    trained=("people",),
    formats=("default", "io"),
    items=20,
)

WHY = "item 3 has no right answer to choose\n  file: items.parquet"


def made(cells: list[Cell], which: Callable[[Cell], bool], **more: Any) -> Tables:
    """The tables of the partial study that lacks the cells that `which` picks."""
    for one in filter(which, cells):
        refuse(one["path"], WHY)
    return cell_tables(cells, **{**DRAWING, "permutations": 99, "partial": True, **more})


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    return write_cells(tmp_path / "cells", SMALL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of the study that lacks nothing."""
    return made(write_cells(tmp_path_factory.mktemp("whole"), SMALL), lambda _: False)


def is_base(one: Cell) -> bool:
    return bool(one["recipe"] == "base")


def of_people(one: Cell) -> bool:
    return bool(one["eval_set"] == "nli_people")


def rows_of(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """A table's rows without q-values, which are of all tests of a study, last bits, and the paths
    of the records, which are copies."""
    kept = table.drop(columns=["q_value", "records"], errors="ignore").round(9)
    return set(kept.astype(str).itertuples(index=False, name=None))


@pytest.mark.parametrize(
    "which",
    [
        lambda one: is_base(one) and of_people(one),
        lambda one: not is_base(one) and of_people(one),
        of_people,
        lambda one: one["format"] == "io",
        lambda one: one["family"] == "toy",
    ],
    ids=["base", "tuned", "set", "format", "family"],
)
def test_the_rows_that_are_left_are_those_of_the_whole_study(
    cells: list[Cell], whole: Tables, which: Callable[[Cell], bool]
) -> None:
    tables = made(cells, which)
    for name in ("scores", "changes", "sensitivity"):
        assert rows_of(tables[name]) <= rows_of(whole[name])
    lost = sum(map(which, cells))
    assert len(tables["scores"]) == len(cells) - lost
    unpaired = tables["unpaired"]
    assert (unpaired["reason"].str.startswith("refused: item 3 has no right")).sum() == lost
    untuned = unpaired["recipe"] == "base"
    assert len(tables["changes"]) + (~untuned).sum() == len(whole["changes"])
    # The reason of an error, without where it was.
    assert not unpaired["reason"].str.contains("file").any()


def test_a_tuned_cell_whose_base_was_refused_is_compared_with_no_other(tmp_path: Path) -> None:
    bases = [
        cell(tmp_path / f"{name}{shots}", [0.5, 0.1], format=name, shots=shots)
        for name, shots in (("default", 0), ("default", 4), ("io", 4))
    ]
    tuned = [
        cell(tmp_path / f"tuned_{name}", [0.6, 0.4], format=name, recipe="full", seed=1)
        for name in ("default", "io", "instruct")
    ]
    cells = [*bases, *tuned]
    tables = made(cells, lambda one: one is bases[1])
    assert tables["changes"]["format"].tolist() == ["io"]
    unpaired = tables["unpaired"].set_index(["recipe", "format"])["reason"]
    because = "item 3 has no right answer to choose"
    assert unpaired.to_dict() == {
        ("base", "default"): f"refused: {because}",
        ("full", "default"): f"its base cell was refused: {because}",
        ("full", "instruct"): f"its base cell was refused: {because}",
    }


def test_a_spread_over_formats_of_which_one_was_refused_is_not_made(tmp_path: Path) -> None:
    cells = [
        cell(tmp_path / f"{name}{step}", [0.5, 0.1], format=name, step=step, checkpoint=str(step))
        for name in ("default", "io", "instruct")
        for step in (10, 20)
    ]
    tables = made(cells, lambda one: one["format"] == "io" and one["step"] == 10)
    assert tables["sensitivity"]["step"].tolist() == [20]


def test_means_say_of_how_many_seeds_they_are(tmp_path: Path) -> None:
    cells = [cell(tmp_path / "base", [0.5, 0.1])]
    cells += [cell(tmp_path / str(seed), [0.6, 0.4], recipe="f", seed=seed) for seed in (1, 2, 3)]
    tables = made(cells, lambda one: one["seed"] == 2)
    assert tables["seed_means"].set_index("recipe")["seeds"]["f"] == 2


def test_without_partial_every_set_is_named_with_two_ways_on(cells: list[Cell]) -> None:
    with pytest.raises(StudyError) as error:
        made(cells, lambda one: one["eval_set"].endswith("_people"), partial=False)
    text = str(error.value)
    lost = [one for one in cells if one["eval_set"].endswith("_people")]
    assert f"{len(lost)} of {len(cells)} cells were refused" in text
    for one in lost:
        assert one["eval_set"] in text
    assert "nli_places" not in text
    assert "item 3 has no right answer to choose" in text
    # Of a single reason all of what was said.
    assert "file: items.parquet" in text
    assert "fix the data" in text
    assert "--config partial=true" in text


def test_many_reasons_stay_on_a_screen(tmp_path: Path) -> None:
    cells = [cell(tmp_path / str(k), [0.5, 0.1], eval_set=f"set{k}") for k in range(30)]
    for number, one in enumerate(cells[:25]):
        refuse(one["path"], f"reason {max(2, number)}")
    with pytest.raises(StudyError) as error:
        cell_tables(cells, **DRAWING)
    lines = str(error.value).splitlines()
    assert len(lines) <= 14
    assert lines[1] == "  3 cells of set0, set1, set2: reason 2"
    assert lines[8].startswith("  1 cell of set")
    assert lines[9].endswith("15 other reasons")
    assert all(any(f"set{k}" in line for line in lines) for k in range(25))


@pytest.mark.parametrize("partial", [True, False])
def test_where_all_were_refused_there_are_no_tables(cells: list[Cell], partial: bool) -> None:
    with pytest.raises(StudyError, match="192 of 192 cells were refused") as error:
        made(cells, lambda _: True, partial=partial)
    assert "partial=true" not in str(error.value)


def test_summaries_findings_and_figures_show_what_is_missing(cells: list[Cell]) -> None:
    everything = pd.DataFrame(cells).astype({"seed": "Int64"})
    named: dict[str, Any] = {
        "eval_sets": ("nli_people", "nli_places"),
        "groups": {"learned": ["nli_people"], "not_learned": ["nli_places"]},
    }
    tables = made(cells, lambda one: of_people(one) or one["family"] == "other")
    tables["datasets"] = dataset_table(everything)
    tables["checkpoints"] = checkpoint_table(everything)
    tables["text_losses"] = from_rows([], "text_losses")
    tables |= summary_tables(tables, asked(**named))
    found = finding_rows(tables, asked(**named)).set_index(["family", "finding"])
    for family, lost in (("other", 96), ("toy", 12)):
        assert found["value"][family, "refused"] == lost
        for finding in FINDINGS:
            words = f"{lost} cells are missing, as refused."
            assert found["sentence"][family, finding].endswith(words)
    squares = {row.family: row.squares for row in grid_rows(everything, tables["scores"])}
    assert (squares["toy"]["nli_people"].there, squares["toy"]["nli_places"].there) == (0, 2)
    (words,) = refused(tables["unpaired"]).values()
    assert words.startswith("108, of nli_people, nli_places")
    own = {
        name: table[table["family"] == "toy"] if "family" in table else table
        for name, table in tables.items()
    }
    for kind in DRAWN:
        drawn(kind, own)


def test_a_study_that_lacks_nothing_reports_nothing(whole: Tables) -> None:
    assert whole["unpaired"].empty
    assert refused(whole["unpaired"]) == {}


def test_partial_is_a_setting_of_the_scores_alone() -> None:
    config = read_yaml(ROOT / "config" / "config.yaml")
    whole, partial = (
        PlantedJobs(load_study({**config, **more}, ROOT, "config.yaml"), "config.yaml")
        for more in ({}, {"partial": True})
    )
    assert json.loads(partial.stats.scores_spec()) == {
        **json.loads(whole.stats.scores_spec()),
        "partial": True,
    }
    assert "partial" not in whole.stats.scores_spec()
    assert partial.stats.merged_config() == whole.stats.merged_config()
    assert partial.stats.summaries_spec() == whole.stats.summaries_spec()
