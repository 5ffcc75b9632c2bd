"""rates.csv: candidates, losses, the chosen one, and whether it lies at the edge."""

from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.findings.caveats import rates_at_edge
from tuning_dynamics.stats.chosen_rates import rate_rows

KEYS = ["tiny", "select", "pairs", "all", "40"]


def rows(folder: Path, *found: dict[str, Any], choices: Any = None) -> Any:
    files = [folder / f"{number}.json" for number in range(len(found))]
    for file, content in zip(files, found, strict=True):
        write_json(file, content)
    return rate_rows(files, choices or [KEYS] * len(found))


def at_each(folder: Path, *chosen: float) -> Any:
    """rates.csv of three candidates, with a choice for each of as many checkpoints."""
    losses = {"1e-05": 1.0, "0.0001": 1.0, "0.001": 1.0}
    return rows(
        folder,
        *({"rate": rate, "losses": losses} for rate in chosen),
        choices=[[*KEYS[:3], str(step), str(step)] for step in range(len(chosen))],
    )


def test_each_candidate_has_a_row_with_its_loss(tmp_path: Path) -> None:
    losses = {"0.001": 1.5, "1e-05": 2.0, "0.0001": None}
    table = rows(tmp_path, {"rate": 0.001, "losses": losses})
    assert list(table["rate"]) == [1e-5, 1e-4, 1e-3]
    assert [None if loss != loss else loss for loss in table["loss"]] == [2.0, None, 1.5]
    assert list(table["chosen"]) == ["", "", "yes"]
    assert list(table["edge"]) == ["", "", "yes"]
    assert table.iloc[0, :5].tolist() == KEYS


@pytest.mark.parametrize(("chosen", "edge"), [(1e-5, True), (1e-4, False), (1e-3, True)])
def test_the_smallest_and_the_largest_are_the_edge(
    tmp_path: Path, chosen: float, edge: bool
) -> None:
    table = at_each(tmp_path, chosen)
    assert (table["edge"] == "yes").sum() == edge
    assert table.loc[table["chosen"] == "yes", "rate"].tolist() == [chosen]
    assert bool(rates_at_edge(table)) == edge


def test_a_refused_train_set_and_no_choice_have_no_rows(tmp_path: Path) -> None:
    assert rows(tmp_path, {"refused": "no labels"}).empty
    assert rows(tmp_path).empty
    assert rates_at_edge(rows(tmp_path)) == {}


def test_a_choice_that_is_no_candidate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="not among its candidates") as raised:
        rows(tmp_path, {"rate": 1.0, "losses": {"0.001": 1.5}})
    assert raised.value.file == tmp_path / "0.json"


def test_the_page_names_the_rates_at_the_edge_and_where(tmp_path: Path) -> None:
    (text,) = rates_at_edge(at_each(tmp_path, 1e-3, 1e-4, 1e-5)).values()
    assert text.startswith("select of tiny on pairs: 1e-05 and 0.001, at 2 of 3 checkpoints.")
    (one,) = rates_at_edge(at_each(tmp_path, 1e-3)).values()
    assert one.startswith("select of tiny on pairs: 0.001. A better one may lie beyond")


def test_many_rates_at_the_edge_are_counted(tmp_path: Path) -> None:
    choice = {"rate": 1.0, "losses": {"1.0": 1.0, "2.0": 3.0}}
    keys = [["tiny", "select", f"set{number}", "all", "40"] for number in range(5)]
    (text,) = rates_at_edge(rows(tmp_path, *[choice] * 5, choices=keys)).values()
    assert "set2: 1; and 2 more. " in text
    assert "set3" not in text
