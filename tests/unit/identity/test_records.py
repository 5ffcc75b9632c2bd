"""Records: what a job made and from what, as a file; and what distinguishes two units."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.identity.records import (
    Input,
    Record,
    Unit,
    all_records,
    digest_of,
    read_record,
    write_record,
)

CELL = Unit(
    {"a.parquet": "d1"},
    {"shots": 2, "labels": [["é", "no"]]},
    "c0de",
    {"items": [Input("i.parquet", "d2")], "demonstrations": []},
    {"torch": "2.13.0"},
    "run1",
    "2030-01-01T00:00:00+00:00",
)
TOOK = Unit({"evaluation.json": "d3"}, {}, "", {})
JOB = "evaluate/a/1/base"
ACCEPTED = {"output": "a.parquet", "date": "2030", "other": "", "before": "", "now": "x"}


def record(*units: Unit) -> Record:
    return Record({unit.name: unit for unit in units}, [ACCEPTED])


def test_a_record_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.json"
    write_record(path, JOB, record(CELL, TOOK))
    found = read_record(path, JOB)
    assert found == record(CELL, TOOK)
    assert found is not None
    assert found.digests == {"a.parquet": "d1", "evaluation.json": "d3"}
    assert found.units["a.parquet"].paths == {"i.parquet"}


def test_a_job_that_made_nothing_has_none(tmp_path: Path) -> None:
    assert read_record(tmp_path / "r.json", JOB) is None


def without(key: str) -> Any:
    def change(document: dict[str, Any]) -> Any:
        (document if key in document else document["units"][0]).pop(key)
        return document

    return change


@pytest.mark.parametrize(
    "change",
    [
        *map(without, ("units", "accepted", "outputs", "settings", "code", "inputs")),
        lambda document: [document],
        lambda document: {**document, "units": [1]},
        lambda document: {**document, "units": [{**document["units"][0], "outputs": {}}]},
        lambda document: {**document, "units": [{**document["units"][0], "colour": "red"}]},
        lambda document: {**document, "units": [{**document["units"][0], "inputs": {"a": [{}]}}]},
        lambda _: None,
    ],
)
def test_a_record_that_lacks_something_is_damaged(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "r.json"
    write_record(path, JOB, record(CELL))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(StudyError, match="a job's record is damaged") as error:
        read_record(path, JOB)
    assert error.value.file == path
    assert "run the same command again" in error.value.fix


def test_a_record_of_another_job_is_damaged_and_one_that_names_none_is_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r.json"
    write_record(path, JOB, record(CELL))
    with pytest.raises(StudyError, match=f"damaged.*it is of {JOB}"):
        read_record(path, "evaluate/a/2/base")
    document = json.loads(path.read_text())
    del document["job"]
    path.write_text(json.dumps(document))
    assert read_record(path, "evaluate/a/2/base") == record(CELL)


@pytest.mark.parametrize("size", [0, 40, -2])
def test_a_record_that_is_cut_is_damaged(tmp_path: Path, size: int) -> None:
    path = tmp_path / "r.json"
    write_record(path, JOB, record(CELL))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(StudyError, match="damaged"):
        read_record(path, JOB)


def test_all_records_of_a_study_are_those_that_can_be_read(tmp_path: Path) -> None:
    for name in ("tune/a/1/full/t/seed0", "scores/all", "code/c0de"):
        write_record(tmp_path / f"{name}.json", name, record(CELL))
    (tmp_path / "freeze").mkdir()
    (tmp_path / "freeze" / "x.json").write_text("{")
    (tmp_path / "seen.json").write_text("{}")
    assert [name for name, _ in all_records(tmp_path)] == ["scores/all", "tune/a/1/full/t/seed0"]
    assert list(all_records(tmp_path / "none")) == []


def test_a_digest_is_of_the_value_not_of_its_order() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])
    assert digest_of(1) != digest_of("1")
    assert len(digest_of(None)) == 16


@pytest.mark.parametrize(
    ("changes", "planned", "identity"),
    [
        ({"settings": {"shots": 3}}, True, True),
        ({"code": "c1"}, True, True),
        ({"outputs": {"b.parquet": "d1"}}, True, True),
        ({"inputs": {**CELL.inputs, "items": [Input("i.parquet", "d9")]}}, False, True),
        ({"inputs": {"items": CELL.inputs["items"]}}, False, True),
        # The place of an input, the outputs and the versions do not identify a unit.
        ({"inputs": {**CELL.inputs, "items": [Input("moved", "d2")]}}, False, False),
        ({"outputs": {"a.parquet": "d9"}}, False, False),
        ({"versions": {}, "run": "run2", "date": "2031"}, False, False),
    ],
)
def test_what_distinguishes_two_units(
    changes: dict[str, Any], planned: bool, identity: bool
) -> None:
    other = replace(CELL, **changes)
    assert (other.planned() != CELL.planned()) == planned
    assert (other.identity() != CELL.identity()) == identity


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each value in JSON."""
    yield place
    found = dict(enumerate(value)) if isinstance(value, list) else value
    for key, inner in found.items() if isinstance(found, dict) else ():
        yield from places(inner, (*place, key))


def changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """JSON with another value in a place."""
    if not place:
        return value
    copied = json.loads(json.dumps(document))
    inner = copied
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copied


def test_a_record_that_was_edited_is_used_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(path, JOB, record(CELL, TOOK))
    written = read_json(path)
    others: list[Any] = [None, 3, -1.5, True, "", "x", [], {}, [1], ["x"], [[]], {"a": 1}]
    refused = 0
    for place in places(written):
        for value in others:
            write_json(path, changed(written, place, value))
            try:
                found = read_record(path, JOB)
            except StudyError:
                refused += 1
                continue
            assert found is not None
            assert isinstance(digest_of(found.digests), str)
            for unit in found.units.values():
                # All that planning asks of a unit.
                assert all(map(isinstance, (unit.name, unit.identity(), unit.fixed()), [str] * 3))
                assert found.other_versions(unit, {"torch": "9"}) is not None
                assert all(isinstance(one, str) for one in unit.paths)
    assert refused > 150
