"""Cells whose model saw their items are refused or declared, and the page says what was found."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.stats.test_provenance import SMOKE, study

from tuning_dynamics.config.load import read_yaml
from tuning_dynamics.findings.caveats import leaked
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.grid.splits import comparisons
from tuning_dynamics.stats.leaks import in_short, leaked_cells, overlap_sentences
from tuning_dynamics.stats.refusals import refused_cells
from tuning_dynamics.tables.tables import from_rows

ROW: dict[str, Any] = {
    **{"eval_set": "people", "dataset": "other", "use": "train", "items": 60, "rows": 900},
    **{"exact": 60, "near": 0, "part": 0, "example": "id", "known": ""},
}
EMPTY = dict.fromkeys(("items", "rows", "exact", "near", "part"))


def table(*changes: dict[str, Any]) -> pd.DataFrame:
    return from_rows([{**ROW, **change} for change in changes], "overlaps")


def cell(path: str, *seen: tuple[str, str], eval_set: str = "people") -> dict[str, Any]:
    return {"path": path, "eval_set": eval_set, "seen": list(seen)}


def test_only_cells_whose_model_saw_the_items_are_refused() -> None:
    cells = [
        cell("base"),
        cell("tuned", ("other", "train")),
        cell("mixed", ("more", "train"), ("other", "train")),
        cell("elsewhere", ("other", "train"), eval_set="places"),
        cell("shown", ("other", "demonstration")),
    ]
    found = leaked_cells(cells, table({}))
    assert set(found) == {"tuned", "mixed"}
    text = found["tuned"]
    assert text.startswith("60 of 60 evaluated items stand in training rows of other\n")
    assert "datasets/people.yaml" in text
    assert "known_overlaps: {other: REASON}" in text


@pytest.mark.parametrize(
    "change",
    [{"known": "meant"}, {"exact": 0, "near": 60}, {"exact": 0, "part": 60}, EMPTY],
    ids=["declared", "near", "part", "refused"],
)
def test_declared_overlaps_and_partial_ones_refuse_nothing(change: dict[str, Any]) -> None:
    assert leaked_cells([cell("tuned", ("other", "train"))], table(change)) == {}


def test_a_cell_with_records_is_refused_for_its_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuning_dynamics.stats.refusals.refusal", dict[Path, str]().get)
    cells = pd.DataFrame({"path": ["tuned", "base"]})
    found = refused_cells(cells, leaked_cells([cell("tuned", ("other", "train"))], table({})))
    assert found["path"].tolist() == ["tuned"]
    assert found["reason"].tolist() == ["60 of 60 evaluated items stand in training rows of other"]


def test_each_pair_is_said_in_one_sentence() -> None:
    found = table(
        {"exact": 2, "near": 31, "part": 5, "known": "as released."},
        {"use": "demonstration", "exact": 0, "near": 1},
        {"dataset": "clean", "exact": 0},
        {"dataset": "bad", **EMPTY},
    )
    first, second, last = overlap_sentences(found)
    assert first == (
        "Of the 60 evaluated items of people, found in training rows of other: 2 in full; 31 with "
        "13 words in a row; 5 with a whole text such as a premise, but not the rest. This is "
        "known: as released."
    )
    assert second.endswith("found in demonstrations of other: 1 with 13 words in a row.")
    assert last == "1 pair of sets was not compared, as a set was refused."
    assert in_short(found, "people") == (
        "other: 2 exact, 31 near, 5 part; other (demonstrations): 1 near"
    )
    assert leaked(found) == {
        "Evaluated items that models saw in full": "2 of 60 of people, in other (known: as "
        "released.)"
    }


def test_where_nothing_was_found_it_is_said_that_it_was_looked_for() -> None:
    clean = table({"exact": 0}, {"exact": 0, "dataset": "more"})
    assert overlap_sentences(clean) == ["None was found: 2 pairs of sets were compared."]
    assert (in_short(clean, "people"), leaked(clean)) == ("", {})
    assert overlap_sentences(table()) == []


def test_mixed_sets_and_demonstrations_are_compared() -> None:
    document = read_yaml(SMOKE)
    resolved = study(document)
    found = comparisons(resolved, expand(resolved, "study.yaml"))
    pairs = {(pair["eval_set"], pair["dataset"], pair["use"]): pair for pair in found}
    # The recipe quick_lora mixes nli_people into instruction data.
    assert ("facts_qa", "instruct_world", "train") in pairs
    assert ("facts_qa", "nli_people", "train") in pairs
    assert pairs["nli_places", "nli_people", "demonstration"]["shots"] == 2
    assert ("nli_places", "instruct_world", "train") not in pairs
