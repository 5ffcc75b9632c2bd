"""Snakemake's internals that the project relies on, a test each; a new version must pass them.

Snakemake runs in this process, on a workflow of three rules. A stand-in for `Current` judges each
job as the test wants.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake.api
import snakemake.jobs
import snakemake.workflow
from put_back import put_back
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

from tuning_dynamics.common.paths import SCRIPTS
from tuning_dynamics.identity.reasons import Reason
from tuning_dynamics.identity.units import JobView
from tuning_dynamics.run.snakemake_internals import Records, judge_by_records, same_command

SNAKEFILE = """
import json
from pathlib import Path
from tuning_dynamics.run.snakemake_internals import (
    Records, environment_of, judge_by_records, keep_outputs, planned_jobs, view_of_planned,
    wake_when_jobs_end,
)

# As the real one does, in the processes that Snakemake starts for single jobs.
if not workflow.is_main_process:
    judge_by_records(None, forces=Records.forces)

onstart:
    wake_when_jobs_end(workflow)
    Path("planned.json").write_text(json.dumps([
        [job.rule.name, forced, [source.rule.name for source in before], environment_of(job)]
        for job, forced, before in planned_jobs(workflow)
    ]))
    Path("views.json").write_text(json.dumps(
        {job.output[0]: vars(view_of_planned(job)) for job, _, _ in planned_jobs(workflow)}
    ))

rule last:
    input:
        one="first/x/1.txt", several=["first/x/2.txt", "first/y/1.txt"], none=[]
    output:
        out="last.txt", more=["last.csv", "last.tex"]
    params:
        spec=lambda wildcards: '{"lr": 0.1}', number=3
    conda: "envs/x.yaml"
    script: "write.py"

rule first:
    output: "first/{name}/{number}.txt"
    conda: "envs/x.yaml"
    script: "write.py"

rule failing:
    output: "failing.txt", directory("failing")
    conda: "envs/x.yaml"
    script: "fail.py"

# A rule with code of its own runs in a Snakemake that Snakemake starts, as all do on a cluster.
rule spawned:
    output: "spawned.txt"
    run:
        Path(output[0]).write_text("half")
        raise ValueError("spawned")

KEEP
"""

#: Adds a line to each output; notes what it sees of itself.
WRITE = """
import json
from pathlib import Path
from tuning_dynamics.identity.job import view_of

name = "/".join([snakemake.rule, *(snakemake.wildcards or ["all"])])
plan = {"jobs": {name: {"stub": "write.py"}}}
for path in snakemake.output:
    with open(path, "a") as file:
        file.write("made\\n")
printed = Path(f"{snakemake.output[0]}.own.json")
printed.write_text(json.dumps(vars(view_of(snakemake, plan))))
"""

FAIL = """
from pathlib import Path

Path(snakemake.output[0]).write_text("half")
Path(snakemake.output[1]).mkdir(exist_ok=True)
Path(snakemake.output[1], "file").write_text("half")
raise SystemExit(1)
"""

MADE = 1893456000
FIRSTS = ["first/x/1", "first/x/2", "first/y/1"]


class Judge:
    """A stand-in for `Current`: `reasons` by job; the calls that it got."""

    def __init__(self) -> None:
        self.reasons: dict[str, Reason] = {}
        self.asked: list[str] = []
        self.accepted: dict[str, Any] = {}
        self.compared: set[str] = set()

    def ask(self, view: JobView) -> Reason | None:
        self.asked.append(view.name)
        return self.reasons.get(view.name)

    def compare_versions(self, name: str, asked: dict[str, str]) -> None:
        assert asked == {"torch": "2.13.0"}
        self.compared.add(name)

    def accept(self, view: JobView, asked: dict[str, str]) -> None:
        self.accepted[view.name] = asked

    def made_at(self, name: str) -> float | None:
        return MADE if name.startswith("first/") else None


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """What judges in this process, in a folder with the workflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS))
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/x.yaml").write_text("dependencies: [python=3.11, pytorch=2.13.0]\n")
    for name, text in (("write.py", WRITE), ("fail.py", FAIL)):
        (tmp_path / name).write_text(text)
    snakefile(keep=True)
    put_back(monkeypatch)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    judged = Judge()
    judge_by_records(judged)  # type: ignore[arg-type]
    yield judged
    for number, handler in handlers.items():
        signal.signal(number, handler)


def snakefile(*, keep: bool) -> None:
    """Write the workflow; without `keep` its outputs are Snakemake's to delete."""
    Path("Snakefile").write_text(
        SNAKEFILE.replace("KEEP", "keep_outputs(workflow)" if keep else "")
    )


@pytest.fixture
def run(judge: Judge, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:  # noqa: ARG001
    """Run Snakemake with options; return its output. It must succeed unless `fails`."""

    def ran(*options: str, fails: bool = False) -> str:
        snakemake.jobs.get_script_mtime.cache_clear()  # as in a process of its own
        with pytest.raises(SystemExit) as ended:
            main(["--cores", "1", *options])
        printed = "".join(capsys.readouterr())
        assert bool(ended.value.code) is fails, printed
        return printed

    return ran


Run = Callable[..., str]


def planned(printed: str) -> set[str]:
    """The rules that a dry run would run, of what it says."""
    return set(re.findall(r"^(?:local)?rule (\w+):", printed, re.M))


@pytest.fixture
def made(run: Run, judge: Judge) -> None:
    """The workflow has run once."""
    run("last.txt")
    for printed in (judge.asked, judge.compared):
        printed.clear()


# --- the persistence is asked, and its answer decides -------------------------------------------


@pytest.mark.usefixtures("made")
def test_every_job_that_waits_for_none_is_asked_about_and_so_its_versions(
    run: Run, judge: Judge
) -> None:
    assert "Nothing to be done" in run("--dry-run", "last.txt")
    assert sorted(judge.asked) == [*FIRSTS, "last/all"]
    assert judge.compared == {*judge.asked}


@pytest.mark.usefixtures("made")
def test_a_reason_has_a_job_run_and_is_printed_and_none_below_it_is_asked_about(
    run: Run, judge: Judge
) -> None:
    judge.reasons["first/x/1"] = Reason("the lr of recipe once changed", "x.yaml")
    printed = run("--dry-run", "last.txt")
    assert planned(printed) == {"first", "last"}
    assert judge.reasons["first/x/1"].text in printed
    assert "Input files updated by another job: first/x/1.txt" in printed
    assert sorted(judge.asked) == FIRSTS
    assert "first/x/2.txt" not in printed.partition("rule last")[0]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    "backend", [["file"], ["db"], ["db", "--persistence-backend-db-url", "sqlite:///notes.db"]]
)
def test_the_persistence_is_ours_whichever_is_asked_for(
    run: Run, judge: Judge, backend: list[str]
) -> None:
    judge.reasons["last/all"] = Reason("the code changed")
    printed = run("--dry-run", "last.txt", "--persistence-backend", *backend)
    assert planned(printed) == {"last"}
    assert "the code changed" in printed


def later(path: str) -> None:
    """Give a file a time after all others."""
    after = Path("last.txt").stat().st_mtime + 100
    os.utime(path, (after, after))


@pytest.mark.usefixtures("made")
def test_nothing_else_is_a_reason(run: Run) -> None:
    Path("write.py").write_text(f"{WRITE}\n# other")
    later("write.py")
    text = Path("Snakefile").read_text()
    Path("Snakefile").write_text(text.replace("0.1", "0.2").replace(', "first/y/1.txt"', ""))
    for triggers in ([], ["--rerun-triggers", "mtime", "params", "input", "code", "software-env"]):
        assert "Nothing to be done" in run("--dry-run", *triggers, "--", "last.txt")


@pytest.mark.usefixtures("made")
def test_newer_inputs_are_no_reason(run: Run) -> None:
    later("first/x/1.txt")
    assert "Nothing to be done" in run("--dry-run", "last.txt")


def test_newer_inputs_are_one_where_the_time_of_outputs_is_snakemakes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So the property that is put in place is the one that Snakemake looks at.
    run("last.txt")
    later("first/x/1.txt")

    async def time(job: Any) -> float:
        return Path(job.output[0]).stat().st_mtime

    monkeypatch.setattr(snakemake.jobs.Job, "output_mintime", property(time))
    assert planned(run("--dry-run", "last.txt")) == {"last"}


def test_snakemake_keeps_no_notes_that_could_be_out_of_step(run: Run) -> None:
    run("last.txt")
    left = [path for path in Path(".snakemake").rglob("*") if path.is_file()]
    kept = {path.parts[1] for path in left}
    assert not kept & {"metadata", "incomplete", "backup", "iocache"}


# --- forces ------------------------------------------------------------------------------------

FORCED = [["--forceall"], ["--force"], ["--forcerun", "first", "last"]]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("options", FORCED)
def test_forces_can_be_taken_away_before_the_plan(
    run: Run, judge: Judge, options: list[str]
) -> None:
    assert "last" in planned(run("--dry-run", *options, "--", "last.txt"))
    judge_by_records(judge, forces=False)  # type: ignore[arg-type]
    assert "Nothing to be done" in run("--dry-run", *options, "--", "last.txt")


@pytest.mark.usefixtures("made")
def test_a_plan_says_what_is_forced_and_what_runs_before_what(run: Run) -> None:
    run("--forcerun", "first/x/1.txt", "--", "last.txt")
    environment = str(Path("envs/x.yaml").resolve())
    assert sorted(json.loads(Path("planned.json").read_text())) == [
        ["first", True, [], environment],
        ["last", False, ["first"] * 3, environment],
    ]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("forces", [True, False])
def test_a_job_that_was_sent_elsewhere_runs_though_its_outputs_are_there(
    run: Run, judge: Judge, forces: bool
) -> None:
    # Its Snakemake forces what it is sent, though nothing of a command is forced any more.
    judge_by_records(judge, forces=forces)  # type: ignore[arg-type]
    own = ["--mode", "subprocess", "--force", "--target-jobs", "last:", "--allowed-rules", "last"]
    run(*own, "--nolock", "--quiet")
    assert Path("last.txt").read_text() == "made\nmade\n"
    assert Path("first/x/1.txt").read_text() == "made\n"


# --- what is there stays -----------------------------------------------------------------------


@pytest.mark.usefixtures("made")
def test_outputs_are_there_when_their_job_runs_again(run: Run) -> None:
    run("--forcerun", "last", "--", "last.txt")
    assert {Path(name).read_text() for name in ("last.txt", "last.csv")} == {"made\nmade\n"}


@pytest.mark.parametrize("keep", [True, False])
def test_a_job_that_fails_leaves_its_outputs(run: Run, keep: bool) -> None:
    snakefile(keep=keep)
    run("failing.txt", fails=True)
    assert Path("failing.txt").exists() is keep
    assert Path("failing", "file").exists() is keep
    # And none of them has to be declared incomplete, or to be removed, before the next run.
    Path("fail.py").write_text(FAIL.replace("raise SystemExit(1)", ""))
    run("failing.txt")


def test_a_job_that_fails_elsewhere_leaves_its_outputs(run: Run) -> None:
    run("spawned.txt", fails=True)
    assert Path("spawned.txt").read_text() == "half"


# --- accepted -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("made")
def test_what_is_touched_is_accepted_and_what_is_not_stays(run: Run, judge: Judge) -> None:
    judge.reasons["last/all"] = Reason("the code changed")
    run("--touch", "last.txt")
    assert judge.accepted == {"last/all": {"torch": "2.13.0"}}
    assert Path("last.txt").read_text() == "made\n"
    run("--touch", "--forcerun", "first", "--", "last.txt")
    assert set(judge.accepted) == {*FIRSTS, "last/all"}


class Made:
    """A job as Snakemake's report sees it."""

    def __init__(self, rule: str, output: str, **wildcards: str) -> None:
        self.rule = SimpleNamespace(name=rule, script="write.py")
        self.wildcards_dict, self.output = wildcards, [output]
        self.params: dict[str, Any] = {}
        self.input: dict[str, Any] = {}


def test_the_time_of_an_output_is_given_for_the_report() -> None:
    jobs = [Made("first", "first.txt", name="x"), Made("last", "last.txt")]
    persistence: Any = SimpleNamespace(dag=SimpleNamespace(jobs=jobs), current=Judge())
    printed = Records.metadata(persistence, "first.txt")
    assert printed is not None
    assert (printed.rule, printed.starttime, printed.endtime) == ("first", MADE, MADE)
    for target in ("last.txt", "nothing.txt"):  # without a record, and none of the plan's
        assert Records.metadata(persistence, target) is None


# --- the same job from both sides --------------------------------------------------------------


def test_a_job_sees_of_itself_what_was_planned_of_it(run: Run) -> None:
    run("last.txt")
    views = json.loads(Path("views.json").read_text())
    assert sorted(views) == [*(f"{name}.txt" for name in FIRSTS), "last.txt"]
    for output, view in views.items():
        assert json.loads(Path(f"{output}.own.json").read_text()) == view
    assert views["first/y/1.txt"]["wildcards"] == ["y", "1"]
    assert views["last.txt"] == {
        "rule": "last",
        "wildcards": [],
        "stub": "write.py",
        "params": {"spec": '{"lr": 0.1}', "number": 3},
        "inputs": {
            "one": ["first/x/1.txt"],
            "several": ["first/x/2.txt", "first/y/1.txt"],
            "none": [],
        },
        "outputs": ["last.txt", "last.csv", "last.tex"],
    }


@pytest.mark.parametrize("wakes", [True, False])
def test_jobs_are_looked_for_when_one_ends_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, wakes: bool
) -> None:
    """And Snakemake's own way, which checks repeatedly, is the one that this replaces."""
    again: list[int] = []
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", lambda _, wait: again.append(wait))
    if not wakes:
        text = Path("Snakefile").read_text()
        Path("Snakefile").write_text(text.replace("wake_when_jobs_end(workflow)", ""))
    run("last.txt")
    assert Path("last.txt").exists()
    assert bool(again) is not wakes


def test_a_command_can_be_given_again_with_options_before_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/snakemake", "--cores", "1", "--", "last.txt"])
    again = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--", "last.txt"]
    assert same_command("--dry-run") == again
