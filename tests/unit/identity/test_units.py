"""A job's units: what each is made from, alike for the driver and the job's own process."""

import json
from dataclasses import replace
from typing import Any

import pytest
from standin import JobCode

from tuning_dynamics.identity.code_digest import code_digest
from tuning_dynamics.identity.records import Input
from tuning_dynamics.identity.units import (
    JobView,
    cells_param,
    forget_code,
    job_name,
    known_parts,
    parse_cells,
    stage_rule,
    unread,
)

pytestmark = pytest.mark.usefixtures("project")

PLAIN = JobView(
    "make",
    ("x", "7"),
    "make.py",
    {"spec": '{"lr": 0.1, "kinds": ["a"]}', "key": "x", "number": 3},
    {"files": ["a.txt", "b.txt"], "weights": ["w"], "none": []},
    ["out.json", "out.txt"],
)
DIGESTS = {"a.txt": "d1", "b.txt": "d2", "w": "d3", "i1": "i1", "i2": "i2", "m.json": "m"}


def cell(items: str, shots: int, demonstrations: str = "") -> dict[str, str]:
    spec = json.dumps({"shots": shots})
    return {"spec": spec, "items": items, "demonstrations": demonstrations}


def evaluation(*cells: dict[str, str], variant: str = "v/1/base") -> JobView:
    names = [f"{variant}/{number}.parquet" for number in range(len(cells))]
    return JobView(
        "evaluate_2_abc",
        (variant,),
        "evaluate.py",
        {"cells": cells_param(list(cells))},
        {"manifest": ["m.json"], "weights": ["w"], "frozen": ["i1", "i2"]},
        [*names, "evaluation.json"],
    )


BOTH = (cell("i1", 0), cell("i2", 2, "i1"))


@pytest.mark.parametrize(
    ("rule", "wildcards", "name"),
    [
        ("make", ("x", "7"), "make/x/7"),
        ("scores", (), "scores/all"),
        ("evaluate_2_abc", ("v/1/base",), "evaluate/v/1/base"),
        ("evaluate", ("v/1/base",), "evaluate/v/1/base"),
        ("evaluated", (), "evaluated/all"),
    ],
)
def test_a_jobs_name_is_its_rules_and_its_wildcards(
    rule: str, wildcards: tuple[str, ...], name: str
) -> None:
    assert job_name(rule, wildcards) == name
    assert stage_rule(rule) == name.partition("/")[0]


def test_a_plain_job_is_one_unit() -> None:
    (unit,) = PLAIN.units(DIGESTS.get)
    assert unit.outputs == {"out.json": "", "out.txt": ""}
    assert unit.name == "out.json"
    # A param that is JSON is what it says.
    assert unit.settings == {"spec": {"lr": 0.1, "kinds": ["a"]}, "key": "x", "number": 3}
    # Weights flow through a manifest.
    assert unit.inputs == {"files": [Input("a.txt", "d1"), Input("b.txt", "d2")], "none": []}
    assert unit.code == code_digest("make.py", frozenset({"lr"}))
    assert {part.name for part in known_parts(unit.code)} >= {"compute", "RATE"}


def test_an_input_that_is_not_there_has_no_digest() -> None:
    (unit,) = PLAIN.units({"a.txt": "d1"}.get)
    assert [found.digest for found in unit.inputs["files"]] == ["d1", ""]


def test_others_and_the_list_of_cells_are_no_settings() -> None:
    (unit,) = PLAIN.units(unread)
    more = replace(PLAIN, params={**PLAIN.params, "others": '{"steps": [1, 2]}'})
    assert more.units(unread) == [unit]
    assert more.planned() == PLAIN.planned()
    (first, *_) = evaluation(*BOTH).units(unread)
    assert first.settings == {"variant": "v/1/base", "shots": 0}


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {**PLAIN.params, "spec": '{"lr": 0.2, "kinds": ["a"]}'}},
        {"params": {**PLAIN.params, "more": 1}},
        {"outputs": ["out.json"]},
    ],
)
def test_what_is_planned_is_settings_and_outputs(changes: Any) -> None:
    assert replace(PLAIN, **changes).planned() != PLAIN.planned()


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {**PLAIN.params, "spec": '{"kinds": ["a"], "lr": 0.1}'}},
        {"inputs": {"files": ["c.txt"]}},
    ],
)
def test_what_is_planned_is_not_the_inputs(changes: Any) -> None:
    assert replace(PLAIN, **changes).planned() == PLAIN.planned()


def test_what_is_planned_is_the_code_too_once_it_is_read_again(project: JobCode) -> None:
    before = PLAIN.planned()
    project.edit("RATE = 1", "RATE = 2")
    assert PLAIN.planned() == before  # a process reads a file once
    forget_code()
    assert PLAIN.planned() != before


def test_an_evaluation_is_a_unit_per_cell_and_one_for_what_it_took() -> None:
    first, second, took = evaluation(*BOTH).units(DIGESTS.get)
    assert (first.name, second.name) == ("v/1/base/0.parquet", "v/1/base/1.parquet")
    manifest = [Input("m.json", "m")]
    assert first.inputs == {
        "manifest": manifest,
        "items": [Input("i1", "i1")],
        "demonstrations": [],
    }
    assert second.inputs == {
        "manifest": manifest,
        "items": [Input("i2", "i2")],
        "demonstrations": [Input("i1", "i1")],
    }
    assert second.settings == {"variant": "v/1/base", "shots": 2}
    assert took.outputs == {"evaluation.json": ""}
    assert (took.settings, took.code, took.inputs) == ({}, "", {})


def test_a_cell_is_the_same_whichever_others_there_are() -> None:
    (alone, _) = evaluation(BOTH[0]).units(DIGESTS.get)
    (first, *_) = evaluation(*BOTH).units(DIGESTS.get)
    assert alone.identity() == first.identity()


def test_a_cell_is_of_its_variant() -> None:
    one, other = (
        evaluation(BOTH[0], variant=name).units(DIGESTS.get)[0] for name in ("v/1/base", "v/2/base")
    )
    assert one.settings != other.settings


def test_cells_read_back() -> None:
    assert parse_cells(cells_param(list(BOTH))) == list(BOTH)
