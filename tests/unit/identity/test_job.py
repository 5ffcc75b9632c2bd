"""A running job: whether it is due, from what, and the record of its results."""

import importlib
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from standin import (
    ENVIRONMENT,
    RUN,
    JobCode,
    Named,
    StandIn,
    failed,
    make,
    plan,
    run_planned,
    started,
)

from tuning_dynamics.common.atomic_files import file_digest, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.identity import job as study_job
from tuning_dynamics.identity.job import named_files
from tuning_dynamics.identity.records import Record, Unit, read_record
from tuning_dynamics.identity.units import cells_param, forget_code

OUT = "results/s/out.txt"


def one(spec: dict[str, Any] | None = None, **outputs: str) -> StandIn:
    """A job that makes files from a source file."""
    return StandIn(
        "make",
        {"name": "one"},
        "make.py",
        inputs={"file": "in.txt"},
        outputs=outputs or {"out": OUT},
        params={"spec": json.dumps(spec or {"lr": 0.1})},
    )


def after() -> StandIn:
    """A job that reads what `one` made."""
    return StandIn(
        "make",
        {"name": "after"},
        "make.py",
        inputs={"file": OUT},
        outputs={"out": "results/s/after.txt"},
        params={},
    )


CELLS = ["results/s/v/1/base/0.parquet", "results/s/v/1/base/2.parquet"]
TOOK = "results/s/v/1/base/evaluation.json"


def evaluation(cells: list[str] = CELLS) -> StandIn:
    """A job that makes cells of one variant."""
    entries = [
        {"spec": json.dumps({"shots": int(Path(name).stem)}), "items": "in.txt"} for name in cells
    ]
    return StandIn(
        "evaluate_x",
        {"variant": "v/1/base"},
        "evaluate.py",
        inputs={"manifest": "in.txt", "frozen": ["in.txt"]},
        outputs={"cells": cells, "metrics": TOOK},
        params={"cells": cells_param([{**entry, "demonstrations": ""} for entry in entries])},
    )


@pytest.fixture(autouse=True)
def code(project: JobCode) -> JobCode:
    """The working folder, with a source file."""
    Path("in.txt").write_text("rows")
    return project


def record(job: StandIn) -> Record:
    found = read_record(job.record, job.view.name)
    assert found is not None
    return found


def unit(job: StandIn) -> Unit:
    """What a job with one unit recorded."""
    (found,) = record(job).units.values()
    return found


# --- due, current, forced ----------------------------------------------------------------------


def test_a_job_records_what_it_made_and_from_what() -> None:
    job = one()
    plan({job: job.planned()}, versions={"pyarrow": "0.1"})
    with started(job) as own:
        assert [due.name for due in own.due] == [OUT]
        assert own.code == own.due[0].code
        assert "pack.work" in sys.modules  # an edit of it can't mix in any more
        Path(OUT).write_text("made")
    found = unit(job)
    assert found.outputs == {OUT: file_digest(OUT)}
    assert [(name.path, name.digest) for name in found.inputs["file"]] == [
        ("in.txt", file_digest("in.txt"))
    ]
    assert found.settings == {"spec": {"lr": 0.1}}
    assert found.run == RUN
    assert found.date > "2020"
    assert found.versions.keys() == {"pyarrow"}
    assert f"{ENVIRONMENT} has 0.1" in job.log_text()


def test_what_is_current_is_left_as_it_is() -> None:
    assert make(one()) == [OUT]
    before = Path(OUT).stat()
    assert make(one(), run="run2") == []
    assert Path(OUT).stat() == before
    assert one().log_text() == "current: nothing to make\n"
    assert unit(one()).run == RUN


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("in.txt").write_text("other"),
        lambda: Path(OUT).write_text("damaged"),
        lambda: Path(OUT).unlink(),
        lambda: Path(one().record).unlink(),
    ],
)
def test_what_is_not_as_it_was_made_is_made_again(change: Any) -> None:
    make(one())
    change()
    assert make(one()) == [OUT]
    assert make(one()) == []


def test_other_settings_make_it_again() -> None:
    make(one())
    assert make(one({"lr": 0.2})) == [OUT]
    assert unit(one()).settings == {"spec": {"lr": 0.2}}


def test_other_code_makes_it_again(code: JobCode) -> None:
    make(one())
    code.edit("    return 2", "    return 3")
    forget_code()
    assert make(one()) == []
    code.edit("RATE = 1", "RATE = 2")
    forget_code()
    assert make(one()) == [OUT]


def test_a_damaged_record_is_reported_and_made_again() -> None:
    make(one())
    Path(one().record).write_text("{half")
    assert make(one()) == [OUT]
    assert "It is done again." in one().log_text()
    assert make(one()) == []


def test_what_is_forced_is_made_once_in_a_run() -> None:
    job = one()
    make(job)
    for run, made in (("run2", [OUT]), ("run2", []), ("run3", [OUT])):
        plan({job: job.planned(forced=True)}, run)
        with started(job) as own:
            assert [due.name for due in own.due] == made
            Path(OUT).write_text(run)
    assert unit(job).run == "run3"


# --- refused -----------------------------------------------------------------------------------


def test_code_that_was_edited_since_the_run_began_is_refused(code: JobCode) -> None:
    make(one())
    job = one({"lr": 0.2})
    plan({job: job.planned()})
    code.edit("RATE = 1", "RATE = 2")
    forget_code()
    message = failed(job)
    assert "were changed since the run began" in message
    assert "run the same command again" in message
    # What it made before is still what its record says.
    assert unit(job).outputs == {OUT: file_digest(OUT)}


def test_code_that_is_edited_while_the_job_starts_is_refused(
    code: JobCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(one())
    Path("in.txt").write_text("other")
    job = one()
    plan({job: job.planned()})
    importing = importlib.import_module

    def edited(name: str) -> Any:
        if "RATE = 1" in (code.root / "pack/work.py").read_text():
            code.edit("RATE = 1", "RATE = 2")
        return importing(name)

    monkeypatch.setattr(study_job.importlib, "import_module", edited)
    assert "were changed since the run began" in failed(job)
    assert unit(job).outputs == {OUT: file_digest(OUT)}


def test_settings_that_were_not_planned_are_refused() -> None:
    plan({one(): one().planned()})
    assert "were changed since the run began" in failed(one({"lr": 0.2}))
    assert not Path(OUT).exists()


def test_a_job_that_was_not_planned_is_refused() -> None:
    plan({after(): after().planned()})
    assert "did not plan the job" in failed(one())


def test_a_job_of_another_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(study_job.RUN, "run0")
    plan({one(): one().planned()})
    assert "another run works on this study" in failed(one())
    monkeypatch.setenv(study_job.RUN, RUN)
    assert make(one()) == [OUT]


@pytest.mark.parametrize("change", [lambda path: path.write_text("x"), lambda path: path.unlink()])
def test_an_input_that_is_not_what_its_job_made_is_refused(change: Any) -> None:
    make(one())
    assert make(after(), one()) == ["results/s/after.txt"]
    change(Path(OUT))
    message = failed_after(one())
    assert "not what the job before made" in message
    assert OUT in message
    make(one())
    assert make(after(), one()) == []


def failed_after(source: StandIn) -> str:
    plan({after(): after().planned(source)})
    return failed(after())


def test_an_input_that_no_job_made_may_be_anything() -> None:
    make(one())
    Path("in.txt").write_text("other")
    assert make(one()) == [OUT]


# --- what ends half-way ------------------------------------------------------------------------


def test_a_job_that_fails_has_made_nothing() -> None:
    make(one())
    Path("in.txt").write_text("other")
    job = one()
    plan({job: job.planned()})
    with suppress(ZeroDivisionError), started(job):
        assert not Path(OUT).exists()  # nothing uses it meanwhile
        Path(OUT).write_text("half")
        Path(OUT).write_text(f"{1 / 0}")
    assert record(job).units == {}
    assert make(job) == [OUT]


def test_an_output_that_was_not_written_is_reported() -> None:
    job = one(out=OUT, other="results/s/other.txt")
    plan({job: job.planned()})
    with pytest.raises(SystemExit), started(job):
        Path(OUT).write_text("made")
    assert "results/s/other.txt" in job.log_text()
    assert record(job).units == {}


def test_an_evaluation_keeps_each_cell_that_it_has_recorded() -> None:
    job = evaluation()
    plan({job: job.planned()})
    with suppress(ZeroDivisionError), started(job) as own:
        assert [due.name for due in own.due] == [*CELLS, TOOK]
        Path(CELLS[0]).parent.mkdir(parents=True)
        Path(CELLS[0]).write_text("made")
        own.made(own.due[0])
        Path(CELLS[1]).write_text("half")
        Path(CELLS[1]).write_text(f"{1 / 0}")
    assert list(record(job).units) == [CELLS[0]]
    # Its cost is written with any of its cells.
    assert make(job) == [CELLS[1], TOOK]
    assert Path(CELLS[0]).read_text() == "made"
    assert make(job) == []


def test_an_evaluation_makes_only_the_cells_that_are_due() -> None:
    make(evaluation())
    Path(CELLS[1]).unlink()
    assert make(evaluation()) == [CELLS[1], TOOK]
    assert list(record(evaluation()).units) == [CELLS[0], CELLS[1], TOOK]


def test_cells_of_an_evaluation_come_and_go() -> None:
    make(evaluation(CELLS[:1]))
    assert make(evaluation()) == [CELLS[1], TOOK]
    # A cell that is left out for a while still exists when it is needed again.
    Path(CELLS[0]).write_text("damaged")
    assert make(evaluation(CELLS[:1])) == [CELLS[0], TOOK]
    assert set(record(evaluation()).units) == {*CELLS, TOOK}
    assert make(evaluation()) == []


def test_what_an_evaluation_took_stays_until_it_is_written_again() -> None:
    make(evaluation())
    Path(CELLS[0]).unlink()
    before = Path(TOOK).read_text()
    job = evaluation()
    plan({job: job.planned()})
    with started(job):
        assert Path(TOOK).read_text() == before
        assert Path(CELLS[1]).is_file()
        Path(CELLS[0]).write_text("made")


# --- folders, and what was there before --------------------------------------------------------


def weights() -> StandIn:
    """A job that makes a folder that a manifest describes."""
    folder = "results/s/weights"
    return one(manifest="results/s/manifest.json", weights=folder)


def tune(job: StandIn) -> list[str]:
    """Run it; the outputs that it made."""
    plan({job: job.planned()})
    with started(job) as own:
        due = [name for unit in own.due for name in unit.outputs]
        if due:
            folder = Path(job.output.weights)
            assert not folder.exists()
            folder.mkdir(parents=True)
            (folder / "model.safetensors").write_text("w")
            digests = {"model.safetensors": file_digest(folder / "model.safetensors")}
            write_json(job.output.manifest, {"folder": str(folder), "digests": digests})
    return due


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (lambda _: None, False),
        (lambda folder: (folder / "model.safetensors").write_text("x"), True),
        (lambda folder: (folder / "model.safetensors").unlink(), True),
        (lambda folder: folder.rename(folder.with_name("elsewhere")), True),
        (lambda folder: folder.with_name("manifest.json").write_text("{"), True),
    ],
)
def test_a_folder_is_current_where_it_holds_what_its_manifest_says(change: Any, made: bool) -> None:
    job = weights()
    assert tune(job) == list(job.output)
    assert unit(job).outputs[job.output.weights] == ""
    change(Path(job.output.weights))
    assert bool(tune(job)) is made
    assert tune(job) == []


def test_what_a_json_output_held_before_is_there_for_the_job() -> None:
    job, name = one(out="results/s/out.json"), "results/s/out.json"

    def former(**planned: bool) -> Any:
        Path("in.txt").write_text(Path("in.txt").read_text() + "more")
        plan({job: job.planned(**planned)}, run="again" if planned else RUN)
        with started(job) as own:
            found = own.former(name)
            write_json(name, {"commit": "c1"})
        return found

    assert former() is None
    assert former() == {"commit": "c1"}
    assert former(forced=True) is None
    Path(name).write_text('{"commit": "changed by hand"}')
    assert former() is None


def test_what_an_output_held_before_outlives_an_attempt_that_failed() -> None:
    """Such as the commit that a download is pinned to."""
    job, name = one(out="results/s/out.json"), "results/s/out.json"
    plan({job: job.planned()})
    with started(job):
        write_json(name, {"commit": "c1"})
    Path("in.txt").write_text("other rows")
    with pytest.raises(SystemExit), started(job):
        raise StudyError("the hub is away", fix="wait")
    with started(job) as own:
        assert own.former(name) == {"commit": "c1"}
        write_json(name, {"commit": "c2"})
    assert record(job).formers == {}


def test_an_input_that_is_written_while_a_job_reads_it_records_nothing() -> None:
    job = one()
    plan({job: job.planned()})

    def written_there_and_back(path: str) -> str:
        Path("in.txt").write_text("other rows")
        Path("in.txt").write_text("rows")
        return f"{path}, made of either"

    with pytest.raises(SystemExit):
        run_planned(job, written_there_and_back)
    assert "an input was written while the job read it" in job.log_text()
    assert record(job).units == {}
    assert make(job) == [OUT]


def test_what_an_output_only_shows_is_not_planned() -> None:
    """What was accepted may change while a run goes on, as it is made again in it."""
    before, now = (
        StandIn(
            "make",
            {"name": "one"},
            "make.py",
            inputs={"file": "in.txt"},
            outputs={"out": OUT},
            params=params,
        )
        for params in ({"accepted": "1"}, {"accepted": "0"})
    )
    plan({now: before.planned()})
    with started(now):
        Path(OUT).write_text("made")
    assert unit(now).settings == {"accepted": "0"}


def test_files_are_lists_by_name() -> None:
    files = Named(one="a", several=["b", "c"], none=[])
    assert named_files(files) == {"one": ["a"], "several": ["b", "c"], "none": []}
