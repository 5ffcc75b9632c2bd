"""What a run says of failed jobs, in each mode of `--quiet`.

Snakemake runs in this process, on a workflow whose jobs fail in each way.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.cli import main
from snakemake.logging import LogEvent

from tuning_dynamics.common.paths import SCRIPTS
from tuning_dynamics.run.outcome import Outcome, command, ended_without_words, say_left

MODES = [[], ["--quiet"], ["--quiet", "rules", "reason", "host"], ["--quiet", "all"]]

SNAKEFILE = """
from types import SimpleNamespace
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.run.outcome import say_where, show_outcome

paths = Paths("mine")
jobs = SimpleNamespace(paths=paths, part=None)
show_outcome(workflow, jobs)

onsuccess:
    say_where(workflow, jobs)

rule all:
    input: paths.report

rule report:
    input: "words.txt", "bug.txt", "killed.txt", "good.txt"
    output: paths.report
    log: paths.log("report", "all")
    script: "good.py"

rule start:
    output: "{name}.txt"
    log: paths.log("start", "{name}")
    script: "{wildcards.name}.py"
"""

START = """
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.job_log import logged
import os, signal, sys

with logged(snakemake.log):
    print("a line before", flush=True)
"""
SCRIPTS_OF = {
    "words": """
    raise StudyError("rows can't\\n  row 1 x", file="f.csv", key="k", value="v", fix="mend it")
""",
    "bug": """
    {}["nothing"]
""",
    "killed": """
    os.kill(os.getpid(), signal.SIGKILL)
""",
    "good": """
    open(snakemake.output[0], "w").close()
""",
}


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run the workflow with options; its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    Path("Snakefile").write_text(SNAKEFILE)
    for name, text in SCRIPTS_OF.items():
        Path(f"{name}.py").write_text(START + text)
    logger = logging.getLogger("snakemake.logging")

    def ran(*options: str) -> tuple[int, str]:
        arguments = ["--cores", "1", "--keep-going", *options]
        monkeypatch.setattr(sys, "argv", ["/bin/snakemake", *arguments])
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0), "".join(capfd.readouterr())

    yield ran
    logger.handlers.clear()


@pytest.mark.parametrize("mode", MODES, ids=[" ".join(mode) or "plain" for mode in MODES])
def test_each_failed_job_says_its_own_error_once(
    run: Callable[..., tuple[int, str]], mode: list[str]
) -> None:
    code, said = run(*mode)
    assert code == 1
    log = "results/mine/logs/start"
    words = "rows can't\n  row 1 x\n  file:  f.csv\n  key:   k\n  value: 'v'\n  fix:   mend it"
    assert said.count(f"The job start/words failed.\n{words}\n  log:   {log}/words.log") == 1
    assert said.count("an error of the program: KeyError: 'nothing'") == 2  # and in the summary
    assert said.count("the job was killed by SIGKILL") == 2
    assert f"log:   {log}/bug.log" in said
    assert f"log:   {log}/killed.log" in said
    assert "CalledProcessError" not in said
    assert "Traceback" not in said
    assert "Of 5 jobs 1 are done, 3 failed, 1 are left:" in said
    for name in ("words", "bug", "killed"):
        assert len(re.findall(f"^  start/{name}: .*{log}/{name}.log", said, re.M)) == 1
    assert said.rstrip().endswith(command())


@pytest.mark.parametrize("mode", MODES, ids=[" ".join(mode) or "plain" for mode in MODES])
def test_a_run_that_succeeds_says_where_its_results_are(
    run: Callable[..., tuple[int, str]], mode: list[str]
) -> None:
    for name in SCRIPTS_OF:
        Path(f"{name}.py").write_text(START + SCRIPTS_OF["good"])
    for _ in range(2):  # the second time there is nothing to be done
        code, said = run(*mode)
        assert code == 0
        for line in ("report:   results/mine/report.html", "tables:   results/mine/tables/"):
            assert said.count(f"The {line}\n") == 1
    assert "Done: good.txt" in run(*mode, "--force", "--", "good.txt")[1]


# --- SLURM --------------------------------------------------------------------------------------


def failed(event: LogEvent, **given: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"event": event, "msg": "Error in x", **given})


def test_a_group_on_slurm_shows_the_jobs_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = [Path(f"results/s/logs/{name}/v.log") for name in ("tune", "evaluate")]
    for log in logs:
        log.parent.mkdir(parents=True)
    logs[1].write_text("reads\nThe job ends with an error:\nno label\n  fix:   mend\nwarning: x\n")
    logs[0].write_text("trained\n")
    outcome = Outcome(lambda: None, lambda _: None)
    jobs = [{"log": [str(log)]} for log in logs]
    group = failed(LogEvent.GROUP_ERROR, job_error_info=jobs, aux_logs=["slurm.log"])
    outcome.emit(group)
    outcome.emit(failed(LogEvent.JOB_ERROR, indent=True, log=[str(logs[0])], rule_msg=None))
    assert list(outcome.failed.values()) == ["no label"]
    said = capsys.readouterr().err
    assert "The job evaluate/v failed.\nno label\n  fix:   mend\n  log:   results/s/logs" in said
    assert "slurm.log" in said
    # It is sent again, and SLURM ends it before it writes anything.
    Path("slurm.log").write_text("x\nslurmstepd: error: Detected 1 oom_kill event in StepId=3.0\n")
    outcome.emit(group)
    said = capsys.readouterr().err
    assert "the job was ended: Detected 1 oom_kill event" in said
    assert "out of memory" in said
    assert "no label" not in said


def test_a_retry_that_fails_alike_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log's time is what tells that the job has written it again."""
    monkeypatch.chdir(tmp_path)
    log = Path("results/s/logs/freeze/a.log")
    log.parent.mkdir(parents=True)
    outcome = Outcome(lambda: None, lambda _: None)
    log.write_text("The job ends with an error:\nfull\n  fix:   x\n")
    for attempt in (1, 2):
        os.utime(log, (attempt, attempt))
        outcome.emit(failed(LogEvent.JOB_ERROR, indent=False, log=[str(log)], rule_msg=None))
        said = capsys.readouterr().err
        assert ("failed again, with the same error" in said) is (attempt == 2)


@pytest.mark.parametrize(
    ("status", "given", "says"),
    [
        (137, None, "killed by SIGKILL"),
        (143, None, "killed by SIGTERM"),
        (139, None, "killed by SIGSEGV"),
        (3, None, "exit status 3"),
        (0, "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'", "status is: 'TIMEOUT'"),
        (0, "SLURM status is: 'OUT_OF_MEMORY'", "give the job more"),
    ],
)
def test_a_job_that_wrote_nothing(status: int, given: str | None, says: str) -> None:
    text = ended_without_words(status, [], given)
    assert says in text
    assert "  fix:   run the same command again" in text


def test_a_job_that_is_stopped_has_not_failed(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(lambda: None, lambda _: None)
    outcome.emit(logging.makeLogRecord({"msg": "Terminating processes on user request, …"}))
    outcome.emit(failed(LogEvent.JOB_ERROR, indent=False, log=["x.log"], rule_msg=None))
    assert (outcome.failed, capsys.readouterr().err) == ({}, "")
    workflow = SimpleNamespace(
        dag=SimpleNamespace(
            needrun_jobs=lambda **_: [SimpleNamespace(output=["a"]), SimpleNamespace(output=["b"])],
            finished=lambda job: job.output == ["a"],
        )
    )
    say_left(workflow, outcome)
    said = capsys.readouterr().err
    assert "The run was stopped. 1 of its 2 jobs are done, and kept." in said
    assert "To go on with the 1 that are left:" in said
