"""Draws of demonstrations as an axis: which cells there are, where they lie, what they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.common.variants import Cell, Variant
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.grid.merged_config import cell_row
from tuning_dynamics.grid.splits import comparisons, draws
from tuning_dynamics.identity.code_digest import code_parts
from tuning_dynamics.identity.units import parse_cells
from tuning_dynamics.run.all_jobs import Jobs

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "tests/smoke/study.yaml"
BASE = Variant("tiny", 0, "base", "", None)
CELLS = "results/smoke/tiny/0/base/cells"


def jobs(**changes: Any) -> Jobs:
    """The smoke study, whose base cells have 2 shots, with changes of its first block."""
    document = read_yaml(SMOKE)
    document["blocks"][0] |= changes
    return Jobs(load_study(document, ROOT, SMOKE), "study.yaml")


def units(of: Jobs, variant: Variant = BASE) -> dict[str, str]:
    """Identities of a variant's cells as the jobs see them, by path; inputs are their own paths."""
    made = of.evaluate.evaluation(variant).units(lambda path: path)
    return {unit.name: unit.identity() for unit in made}


def test_few_shot_cells_have_each_draw_and_others_one() -> None:
    settings = jobs(shots=[0, 2], draws=[0, 1, 4]).grid.settings[BASE]
    found = [(one.shots, one.draw) for one in settings if one.eval_set == "nli_people"]
    assert found == [(0, 0), (2, 0), (2, 1), (2, 4)]
    # Without draw 0 too: a prompt without demonstrations shows the same in each.
    settings = jobs(shots=[0, 2], draws=[3]).grid.settings[BASE]
    found = [(one.shots, one.draw) for one in settings if one.eval_set == "nli_people"]
    assert found == [(0, 0), (2, 3)]


def test_each_draw_adds_as_many_cells() -> None:
    one, three = (jobs(draws=list(range(count))).grid for count in (1, 3))
    # Two more of each of 4 sets at each checkpoint, of which the last has a method more.
    assert len(three.cells) - len(one.cells) == 2 * 4 * len(one.checkpoints)
    cell = Cell(BASE, "nli_people", "default", 2, 2, "token_prob")
    assert three.has_cell(cell)
    assert not one.has_cell(cell)


@pytest.mark.parametrize("draws", [[], [-1], [1, 1], [0.5]])
def test_what_is_no_list_of_draws_is_refused(draws: list[Any]) -> None:
    with pytest.raises(StudyError, match="draws"):
        jobs(draws=draws)


def test_draw_0_has_the_path_of_before_and_others_their_own() -> None:
    paths = Paths("smoke")
    found = [
        paths.cell(Cell(BASE, "nli_people", "default", shots, draw, "token_prob"))
        for shots, draw in ((0, 0), (2, 0), (2, 1), (2, 12))
    ]
    assert found == [
        f"{CELLS}/nli_people/default/{folder}/token_prob.parquet"
        for folder in ("0shot", "2shot", "2shot_draw1", "2shot_draw12")
    ]
    assert paths.draw("nli_people", 1) == "results/smoke/data/nli_people/draws/1.parquet"
    assert paths.demonstrations("x", 0) == paths.items("x")


def test_draw_0_is_asked_for_as_before() -> None:
    before = jobs()
    assert sorted(before.evaluate.evaluations) == [
        *("evaluate_2_2227a424", "evaluate_4_8f3217c1"),
        *("evaluate_5_cc01c16f", "evaluate_8_7087018f"),
    ]
    entry = parse_cells(before.evaluate.evaluation(BASE).params["cells"])[0]
    assert entry == {
        "demonstrations": "results/smoke/data/facts_qa/items.parquet",
        "items": "results/smoke/data/facts_qa/items.parquet",
        "spec": '{"eval_set":"facts_qa","kind":"multiple_choice","labels":[],"max_new_tokens":8,'
        '"prediction":"likelihood","shots":2,"template":"Question: {question}\\nAnswer:",'
        '"truncation":"demonstrations"}',
    }


def test_more_draws_leave_the_cells_of_draw_0_as_they_are() -> None:
    one, three = jobs(), jobs(draws=[0, 1, 2])
    before, after = units(one), units(three)
    assert before.items() <= after.items()
    new = after.keys() - before.keys()
    assert len(new) == 8
    assert all("/2shot_draw1/" in path or "/2shot_draw2/" in path for path in new)
    # The draws are other inputs, and so other cells, although nothing else tells them apart.
    assert len({after[path] for path in new}) == 8
    settings = [its for its in three.grid.settings[BASE] if its.eval_set == "nli_people"]
    assert len(settings) == 3
    assert len({three.evaluate.setting_spec(setting) for setting in settings}) == 1


def test_the_code_of_an_evaluation_knows_no_draws() -> None:
    """Else each edit of it would evaluate all cells again, those of draw 0 too."""
    assert "data/draws.py" not in {part.file for part in code_parts("evaluate_variant.py")}
    assert "data/draws.py" in {part.file for part in code_parts("data_draw.py")}


def test_methods_of_one_draw_are_made_one_after_another() -> None:
    """They share a pass over the options, which the model remembers for one cell alone."""
    methods = {"multiple_choice": ["likelihood", "likelihood_per_char"]}
    settings = jobs(draws=[0, 1], predictions=methods).grid.settings[BASE]
    found = [one.draw for one in settings if one.eval_set == "facts_qa"]
    assert found == [0, 0, 1, 1]


def test_the_job_reads_the_files_of_its_draws() -> None:
    of = jobs(draws=[0, 2])
    (rule,) = [name for name, own in of.evaluate.evaluations.items() if BASE in own]
    files = of.evaluate.evaluated_items(rule)
    assert {path for path in files if "/draws/" in path} == {
        f"results/smoke/data/{lender}/draws/2.parquet"
        for lender in ("facts_qa", "nli_people", "summary_people")
    }
    assert draws(of.resolved, of.grid) == [
        *(("facts_qa", 2), ("nli_people", 2), ("summary_people", 2)),
    ]
    spec = json.loads(of.data.draw_spec("nli_people", "2"))
    assert spec == {"kind": "classification", "seed": 0, "draw": 2}


def test_a_row_of_the_tables_says_its_draw() -> None:
    of = jobs(draws=[0, 2])
    rows = [cell_row(of.resolved, cell) for cell in of.grid.cells if cell.variant == BASE]
    assert [row["draw"] for row in rows if row["eval_set"] == "nli_people"] == [0, 2]
    assert len({row["path"] for row in rows}) == len(rows)


def test_demonstrations_of_all_draws_are_looked_at_for_evaluated_items() -> None:
    of = jobs(draws=[0, 2])
    pairs = {
        (pair["eval_set"], pair["dataset"], pair["use"]): pair
        for pair in comparisons(of.resolved, of.grid)
    }
    assert pairs["nli_places", "nli_people", "demonstration"]["draws"] == [0, 2]
    assert "draws" not in pairs["nli_places", "nli_people", "train"]
    spec = json.loads(of.data.overlaps_spec())
    named = dict(zip(spec["sets"], of.data.compared_files(), strict=True))
    assert named["nli_people"] == "results/smoke/data/nli_people/items.parquet"
    assert named["nli_people/2"] == "results/smoke/data/nli_people/draws/2.parquet"
    # A study of draw 0 alone is compared as before.
    plain = jobs().data.overlaps_spec()
    assert "draws" not in plain
    assert all("/" not in name for name in json.loads(plain)["sets"])
