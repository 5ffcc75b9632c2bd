"""What is current: every reason to make something again, with its text, and nothing without one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from standin import JobCode, StandIn, make

from tuning_dynamics.common.paths import Paths
from tuning_dynamics.identity.current import Current
from tuning_dynamics.identity.reasons import (
    DAMAGED,
    FORCED,
    GONE,
    NEW,
    UNRECORDED,
    unrecorded,
    unrecorded_error,
)
from tuning_dynamics.identity.records import read_record, write_record
from tuning_dynamics.identity.units import cells_param, forget_code, unread

pytestmark = pytest.mark.usefixtures("project")

PATHS = Paths("s")
FIRST = "results/s/first.txt"
SPEC = {"lr": 0.1, "labels": ["yes", "no"]}


def first(spec: dict[str, Any] | None = None, *files: str, **outputs: str) -> StandIn:
    """A job that makes a file from source files."""
    return StandIn(
        "make",
        {"name": "first"},
        "make.py",
        inputs={"files": list(files) or ["in.txt"]},
        outputs={"out": "results/s/first.txt", **outputs},
        params={"spec": json.dumps(SPEC if spec is None else spec)},
    )


def second() -> StandIn:
    """A job that makes a file from that of `first`."""
    return StandIn(
        "make",
        {"name": "second"},
        "make.py",
        inputs={"file": "results/s/first.txt"},
        outputs={"out": "results/s/second.txt"},
        params={},
    )


def evaluation(*shots: int, variant: str = "tiny/1/base") -> StandIn:
    """A job that makes a cell for each number of shots."""
    entries = [
        {"spec": json.dumps({"shots": number}), "items": "in.txt", "demonstrations": ""}
        for number in shots
    ]
    return StandIn(
        "evaluate_x",
        {"variant": variant},
        "evaluate.py",
        inputs={"manifest": "results/s/first.txt", "frozen": ["in.txt"]},
        outputs={
            "cells": [f"results/s/{variant}/{number}.parquet" for number in shots],
            "metrics": f"results/s/{variant}/evaluation.json",
        },
        params={"cells": cells_param(entries)},
    )


@pytest.fixture(autouse=True)
def _source(project: JobCode) -> None:  # noqa: ARG001 - for its working folder
    Path("in.txt").write_text("rows")


def cell(shots: int) -> str:
    """The path of a cell of `evaluation`."""
    return f"results/s/tiny/1/base/{shots}.parquet"


def seen(*jobs: StandIn) -> Current:
    """The view of jobs at a start, in the order of the plan."""
    current = Current(PATHS)
    for job in jobs:
        current.ask(job.view)
    return current


def reason(*jobs: StandIn) -> str | None:
    """Why the last of the jobs is not current."""
    found = seen(*jobs).reason(jobs[-1].view)
    assert found is None or not found.unrecorded
    return None if found is None else found.text


def made(*jobs: StandIn) -> None:
    """Run jobs, each after the one before, of a run that keeps what it planned with."""
    for place, job in enumerate(jobs):
        keep(job)
        make(job, *jobs[:place])


def keep(job: StandIn) -> None:
    """Keep the parts of a job's code, as a run does when it begins."""
    Current(PATHS).keep_code(unit.code for unit in job.view.units(unread))


# --- nothing to do -----------------------------------------------------------------------------


def test_what_was_made_from_what_there_is_is_current() -> None:
    made(first(), second())
    current = seen(first(), second())
    assert set(current.reasons.values()) == {None}
    assert current.due == {"make/first": {}, "make/second": {}}
    assert current.finished("make/first")
    assert current.why("make/first", FIRST) == []


def test_what_was_never_made_has_no_reason_and_is_due() -> None:
    current = seen(first())
    assert current.reasons == {"make/first": None}
    assert current.due["make/first"] == {FIRST: NEW.of(FIRST)}
    assert not current.finished("make/first")
    assert current.why("make/first", FIRST) == [NEW.of(FIRST)]
    # Snakemake did not ask about a job that waits for it.
    assert current.why("make/second", "results/s/second.txt") == [NEW.of("results/s/second.txt")]


def test_times_places_and_names_of_a_study_say_nothing(tmp_path: Path) -> None:
    made(first(), second())
    copy = tmp_path / "copy"
    shutil.copytree("results", copy / "results")
    (copy / "in.txt").write_text("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        assert reason(first(), second()) is None


# --- every reason ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({**SPEC, "lr": 0.2}, "lr 0.1 -> 0.2"),
        ({**SPEC, "seed": 3}, "seed default -> 3"),
        ({"labels": SPEC["labels"]}, "lr 0.1 -> default"),
        ({**SPEC, "labels": ["yes", "nope"]}, "labels.1 'no' -> 'nope'"),
        ({**SPEC, "labels": ["yes"]}, "labels ['yes', 'no'] -> ['yes']"),
        ({"lr": 1, "labels": ["no"]}, "labels ['yes', 'no'] -> ['no']; lr 0.1 -> 1"),
    ],
)
def test_another_setting(spec: dict[str, Any], words: str) -> None:
    made(first())
    assert reason(first(spec)) == words


def test_other_code(project: JobCode) -> None:
    made(first())
    project.edit("RATE = 1", "RATE = 2")
    forget_code()
    assert reason(first()) == "the code changed (work.py: RATE)"
    project.edit("RATE = 2", "RATE = 1")
    forget_code()
    assert reason(first()) is None


def test_other_code_of_which_nothing_was_kept(project: JobCode) -> None:
    make(first())
    project.edit("RATE = 1", "RATE = 2")
    forget_code()
    assert reason(first()) == "the code changed"
    keep(first())
    (kept,) = Path(PATHS.records, "code").iterdir()
    assert (
        kept.stem != next(iter(read_record(first().record, first().view.name).units.values())).code
    )
    Path(
        PATHS.code(read_record(first().record, first().view.name).units["results/s/first.txt"].code)
    ).write_text("{")
    assert reason(first()) == "the code changed"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""The rate."""', '"""The rate of learning."""'),
        ("    return 2", "    return 3"),
        ("RATE = 1\n", "RATE = 1  # of learning\n"),
    ],
)
def test_words_and_code_that_is_not_used_are_no_reason(
    project: JobCode, before: str, after: str
) -> None:
    made(first())
    project.edit(before, after)
    forget_code()
    assert reason(first()) is None


def test_another_input() -> None:
    made(first(), second())
    Path("in.txt").write_text("other rows")
    assert reason(first()) == "in.txt is changed"
    # What is made of it waits for it, and is compared once that is made.
    assert reason(first(), second()) is None
    make(first(), text="other")
    assert reason(first(), second()) == "results/s/first.txt is changed"


def test_an_input_more_or_less() -> None:
    Path("b.txt").write_text("more")
    made(first())
    assert reason(first(None, "in.txt", "b.txt")) == "b.txt is read now, and was not"
    make(first(None, "in.txt", "b.txt"))
    assert reason(first(None, "in.txt", "b.txt")) is None
    for fewer in (first(), first(None, "b.txt", "in.txt")):
        assert reason(fewer) == "other files are read than before (files)"


def test_an_output_that_is_damaged_or_changed_by_hand() -> None:
    made(first(None, "in.txt", csv="results/s/first.csv"))
    job = first(None, "in.txt", csv="results/s/first.csv")
    for name in ("results/s/first.txt", "results/s/first.csv"):
        text = Path(name).read_text()
        Path(name).write_text(text[:-1])
        assert reason(job) == f"{name} is {DAMAGED}"
        Path(name).write_text(text)
    assert reason(job) is None


def test_an_output_that_is_gone_is_due_and_says_so_where_it_is_made_again() -> None:
    made(first())
    Path("results/s/first.txt").unlink()
    current = seen(first())
    assert current.reasons == {"make/first": None}
    assert current.due["make/first"] == {FIRST: GONE.of(FIRST)}
    assert current.why("make/first", FIRST) == [GONE.of(FIRST)]


def test_other_outputs() -> None:
    made(first())
    more = first(None, "in.txt", csv="results/s/first.csv")
    assert reason(more) == "results/s/first.csv is made by other jobs than before"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"units": [{}], "accepted": []}'])
def test_a_record_that_is_damaged(text: str) -> None:
    made(first())
    Path(first().record).write_text(text)
    current = seen(first())
    assert reason(first()) == f"{first().record} is damaged"
    assert list(current.due["make/first"]) == [FIRST]


def test_outputs_that_nothing_says_anything_of() -> None:
    made(first())
    Path(first().record).unlink()
    current = seen(first(), second())
    assert current.reasons["make/first"] == UNRECORDED.of(FIRST)
    assert unrecorded(current.reasons.items()) == ["make/first"]
    error = unrecorded_error(["make/first"] * 5, PATHS.records)
    assert "the results of 5 jobs" in str(error)
    assert "--touch" in error.fix


def test_a_job_that_did_not_end() -> None:
    made(first(), evaluation(0))
    Path("results/s/tiny/1/base/2.parquet").write_text("half")
    assert reason(first(), evaluation(0, 2)) == f"{cell(2)} is not finished"


def test_a_forced_job_is_made_as_it_is_forced() -> None:
    made(first())
    current = seen(first())
    current.planned(["results/s/first.txt"], {"make/first"})
    assert current.why("make/first", FIRST) == [FORCED]


# --- what is gone, and where it lies -----------------------------------------------------------


def test_an_input_that_is_gone_is_no_reason() -> None:
    # Where it is needed it is made again first, and compared then.
    made(first(), second())
    Path("results/s/first.txt").unlink()
    assert reason(first(), second()) is None
    assert reason(second()) is None
    make(first(), text="other")
    assert reason(first(), second()) == "results/s/first.txt is changed"


def test_where_a_models_files_lie_is_no_reason() -> None:
    Path("manifest.json").write_text(json.dumps({"folder": "/a", "step": 1}))
    job = first(None, "manifest.json")
    made(job)
    Path("manifest.json").write_text(json.dumps({"step": 1, "folder": "/b"}))
    assert reason(job) is None
    Path("manifest.json").write_text(json.dumps({"folder": "/b", "step": 2}))
    assert reason(job) == "manifest.json is changed"


# --- evaluations -------------------------------------------------------------------------------


TOOK = "results/s/tiny/1/base/evaluation.json"


def test_only_cells_that_are_missing_or_changed_are_due() -> None:
    made(first(), evaluation(0, 2))
    Path(cell(0)).unlink()
    current = seen(first(), evaluation(0, 2, 4))
    assert current.due_outputs(evaluation(0, 2, 4).view) == {cell(0), cell(4)}
    found = current.stale_cells(evaluation(0, 2, 4).view)
    assert found == {cell(0): GONE.of(cell(0)), cell(4): NEW.of(cell(4))}
    Path(cell(2)).write_text("changed by hand")
    found = seen(first(), evaluation(0, 2)).stale_cells(evaluation(0, 2).view)
    assert found.keys() == {cell(0), cell(2)}
    assert found[cell(2)].text == f"{cell(2)} is {DAMAGED}"


def test_a_cell_more_or_less_leaves_the_others_current() -> None:
    made(first(), evaluation(0, 2))
    for shots in ((0,), (2, 0)):
        current = seen(first(), evaluation(*shots))
        assert current.reasons["evaluate/tiny/1/base"] is None
        assert current.due_outputs(evaluation(*shots).view) == set()


def test_all_cells_are_due_of_an_evaluation_that_waits_for_another_job_or_is_forced() -> None:
    made(first(), evaluation(0, 2))
    every = {cell(0), cell(2), TOOK}
    view = evaluation(0, 2).view
    current = seen(first())  # Snakemake asks of no job that waits for one that runs
    assert current.due_outputs(view) == every
    current.planned(["results/s/elsewhere"], set())
    assert current.due_outputs(view) == set()
    current.planned(["results/s/first.txt"], set())
    assert current.due_outputs(view) == {cell(0), cell(2)}
    current.planned([], {"evaluate/tiny/1/base"})
    assert current.due_outputs(view) == every


# --- accepted by hand --------------------------------------------------------------------------


def test_what_is_accepted_is_current_and_said_to_be_accepted() -> None:
    made(first())
    changed = first({**SPEC, "lr": 0.2})
    before = read_record(changed.record, changed.view.name).units["results/s/first.txt"]
    Current(PATHS).accept(changed.view, {})
    assert reason(changed) is None
    assert reason(first()) == "lr 0.2 -> 0.1"
    after = read_record(changed.record, changed.view.name).units["results/s/first.txt"]
    (accepted,) = Current(PATHS).accepted()
    assert accepted == {
        "stage": "make",
        "date": read_record(changed.record, changed.view.name).accepted[0]["date"][:10],
        "other": "",
        "outputs": "1",
        "before": before.identity(),
        "now": after.identity(),
    }
    # When and with what it was made stays as it was.
    made_of = [(unit.run, unit.versions, unit.date) for unit in (before, after)]
    assert made_of[0] == made_of[1]


def test_what_was_changed_by_hand_can_be_accepted() -> None:
    made(first())
    Path("results/s/first.txt").write_text("corrected")
    Current(PATHS).accept(first().view, {})
    assert reason(first()) is None
    assert len(read_record(first().record, first().view.name).accepted) == 1


@pytest.mark.parametrize("lost", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_what_nothing_is_known_of_can_be_accepted(lost: Any) -> None:
    made(first())
    lost(Path(first().record))
    Current(PATHS).accept(first().view, {})
    assert reason(first()) is None
    assert Current(PATHS).accepted()[0]["before"] == "unknown"


def test_what_is_current_or_not_there_is_not_accepted() -> None:
    made(first(), evaluation(0))
    current = Current(PATHS)
    current.accept(first().view, {})
    current.accept(evaluation(0, 2).view, {})
    assert Current(PATHS).accepted() == []
    assert cell(2) not in read_record(evaluation(0).record, evaluation(0).view.name).units
    assert seen(first(), evaluation(0, 2)).due_outputs(evaluation(0, 2).view) == {cell(2)}


def test_what_is_accepted_by_stage_and_day_is_counted() -> None:
    made(first(), evaluation(0, 2))
    Path("in.txt").write_text("other rows")
    current = Current(PATHS)
    current.accept(first().view, {})
    current.accept(evaluation(0, 2).view, {})
    accepted = {(entry["stage"], entry["outputs"]) for entry in Current(PATHS).accepted()}
    assert accepted == {("make", "1"), ("evaluate", "2")}


def test_what_is_made_again_is_accepted_no_more() -> None:
    made(first(), evaluation(0, 2))
    Path("in.txt").write_text("other rows")
    Current(PATHS).accept(evaluation(0, 2).view, {})
    Path(cell(0)).unlink()
    make(evaluation(0, 2))
    assert [
        entry["output"]
        for entry in read_record(evaluation(0).record, evaluation(0).view.name).accepted
    ] == [cell(2)]


def test_accepted_code_can_be_named_when_it_changes(project: JobCode) -> None:
    made(first())
    project.edit("RATE = 1", "RATE = 2")
    forget_code()
    Current(PATHS).accept(first().view, {})
    project.edit("RATE = 2", "RATE = 3")
    forget_code()
    assert reason(first()) == "the code changed (work.py: RATE)"


# --- versions and times ------------------------------------------------------------------------


def with_versions(job: StandIn, **versions: str) -> None:
    """Make a job's record say that it ran with these versions."""
    record = read_record(job.record, job.view.name)
    assert record is not None
    for unit in record.units.values():
        unit.versions = versions
    write_record(job.record, job.view.name, record)


def version_lines(job: StandIn, **asked: str) -> list[str]:
    current = seen(job)
    current.compare_versions(job.view.name, asked)
    assert current.reason(job.view) is None
    return current.version_lines()


def test_other_versions_are_reported_and_no_reason() -> None:
    made(first())
    with_versions(first(), torch="2.12.0", peft="0.21.2")
    (line,) = version_lines(first(), torch="2.13.0", peft="0.21.2")
    assert line.startswith(
        "1 jobs (make) ran with torch 2.12.0, and their environment now has 2.13.0: they are kept"
    )
    assert version_lines(first(), torch="2.12.0") == []


def test_other_versions_can_be_accepted() -> None:
    made(first())
    with_versions(first(), torch="2.12.0", peft="0.21.2")
    asked = {"torch": "2.13.0", "peft": "0.21.2", "scipy": "1.17.1"}
    Current(PATHS).accept(first().view, asked)
    assert version_lines(first(), **asked) == []
    (accepted,) = Current(PATHS).accepted()
    assert (accepted["other"], accepted["before"], accepted["now"]) == ("torch", "2.12.0", "2.13.0")
    Current(PATHS).accept(first().view, asked)
    assert Current(PATHS).accepted() == [accepted]
    # Not yet others.
    assert len(version_lines(first(), torch="2.14.0")) == 1


def test_versions_of_what_runs_anyway_are_not_reported() -> None:
    made(first())
    with_versions(first(), torch="2.12.0")
    current = seen(first({**SPEC, "lr": 0.2}))
    current.compare_versions("make/first", {"torch": "2.13.0"})
    current.compare_versions("make/never", {"torch": "2.13.0"})
    assert current.version_lines() == []


def test_when_something_was_made_is_what_its_record_says() -> None:
    assert Current(PATHS).made_at("make/first") is None
    made(first())
    record = read_record(first().record, first().view.name)
    assert record is not None
    record.units["results/s/first.txt"].date = "2030-01-01T00:00:00+00:00"
    write_record(first().record, first().view.name, record)
    assert Current(PATHS).made_at("make/first") == 1893456000
