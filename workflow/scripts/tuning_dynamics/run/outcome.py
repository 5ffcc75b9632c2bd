"""What a run says in every mode of `--quiet`: each failed job's own error, and how the run ended.

Snakemake itself prints the command of a temporary file, and with `--quiet` no more than that.
"""

import csv
import logging
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake.logging import LogEvent

from tuning_dynamics.common.job_log import failure_in
from tuning_dynamics.run.all_jobs import Jobs

#: The events of failed jobs.
FAILED = (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR)

#: What Snakemake says at the end of a run that failed.
ENDINGS = ("Exiting because a job execution failed", "At least one job did not complete")

#: The exit status of what Ctrl-C ends.
INTERRUPTED = 128 + signal.SIGINT

#: How a job's command ended, as Snakemake reports it.
_STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>")

#: What SLURM says of a job that it ended.
_SLURM = re.compile(r"(?:slurmstepd|srun): error: (.*)")

#: Evaluation sets with degenerate answers that are named.
NAMED_SETS = 8

_AGAIN = "run the same command again: it goes on from what is saved"


class Outcome(logging.Handler):
    """Prints each failed job's own error once, when it fails; keeps what is said at the end.

    `ended` is called where there is nothing to be done, `unfinished` where a run did not succeed.
    """

    def __init__(self, ended: Callable[[], None], unfinished: Callable[["Outcome"], None]) -> None:
        super().__init__()
        self.ended, self.unfinished = ended, unfinished
        self.stopped = False
        #: By log: the first line of a job's last error.
        self.failed: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._read: dict[str, int] = {}
        self._status = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one of Snakemake's messages."""
        given, message = vars(record), record.getMessage()
        if is_command_error(record):
            self._status = _status(message)
        elif given.get("event") == LogEvent.JOB_ERROR and not given["indent"]:
            self._fail(given["log"][:1], given["log"][1:], given["rule_msg"])
            self._status = 0
        elif given.get("event") == LogEvent.GROUP_ERROR:
            self._fail(
                [log for job in given["job_error_info"] for log in job["log"]], given["aux_logs"]
            )
        elif message.startswith("Nothing to be done"):
            self.ended()
        elif ENDINGS[1] in message:
            self.unfinished(self)
        elif message.startswith("Terminating processes on user request"):
            self.stopped = True

    def _fail(self, logs: list[str], others: list[str], status: str | None = None) -> None:
        """Print why a job, or the jobs of a group, failed; not where the user stopped them."""
        if self.stopped or self._status == INTERRUPTED:
            return
        found = {log: words for log in logs if (words := self._words(log)) is not None}
        if not found:
            found = {logs[0] if logs else "": ended_without_words(self._status, others, status)}
        for log, words in found.items():
            self._show(log, words, others)

    def _words(self, log: str) -> str | None:
        """What a job wrote on its failure in its log since the log was last read."""
        path = Path(log)
        if not path.is_file():
            return None
        written = path.stat().st_mtime_ns
        if self._read.get(log) == written:
            return None
        self._read[log] = written
        return failure_in(path)

    def _show(self, log: str, words: str, others: list[str]) -> None:
        name = _name(log)
        self.failed[log] = words.splitlines()[0]
        if self._shown.get(log) == words:
            say(f"\nThe job {name} failed again, with the same error.")
            return
        self._shown[log] = words
        logs = ", ".join(path for path in (log, *others) if path)
        say(f"\nThe job {name} failed.\n{words}\n  log:   {logs}")


def _name(log: str) -> str:
    """A job by its log: rule and wildcards."""
    return log.partition("/logs/")[2].removesuffix(".log") or "(unknown)"


def say(text: str) -> None:
    """Print where Snakemake prints."""
    print(text, file=sys.stderr, flush=True)


def is_command_error(record: logging.LogRecord) -> bool:
    """Whether a message of Snakemake is that the command of a job failed."""
    given = vars(record)
    return given.get("exception") == "RuleException" and "CalledProcessError" in record.getMessage()


def _status(message: str) -> int:
    """A process' exit status as a shell gives it: 128 and the signal's number, if one killed it."""
    found = _STATUS.search(message)
    if found is None:
        return 0
    return int(found[1]) if found[1] else 128 + int(found[2])


def ended_without_words(status: int, logs: list[str], given: str | None) -> str:
    """Why a job failed that could write nothing on it, from its exit status, SLURM's logs, or what
    Snakemake was `given`, as an error's text."""
    said = [line for log in logs for line in _slurm_lines(Path(log))]
    if said or given:
        what = f"the job was ended: {'; '.join(said) or given}"
    elif status > 128:
        what = f"the job was killed by {signal.Signals(status - 128).name}"
    else:
        what = f"the job ended without an error's text (exit status {status})"
    memory = "OUT_OF_MEMORY" in what or "oom" in what.lower() or "SIGKILL" in what
    more = (
        "; a system that is out of memory kills so: give the job more, or run fewer at once "
        "(--cores)"
        if memory
        else ""
    )
    return f"{what}\n  fix:   {_AGAIN}{more}"


def _slurm_lines(log: Path) -> list[str]:
    if not log.is_file():
        return []
    text = log.read_text(encoding="utf-8", errors="replace")
    return list(dict.fromkeys(match[1] for match in _SLURM.finditer(text)))[-2:]


def show_outcome(workflow: Any, jobs: Jobs) -> None:
    """Make this run say why its jobs fail; `workflow` is Snakemake's.

    What Snakemake prints of a failed job is left to its log file.
    """
    outcome = Outcome(
        lambda: None if workflow.dryrun else say_where(workflow, jobs),
        lambda failed: say_left(workflow, failed),
    )
    logger = logging.getLogger("snakemake.logging")
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(lambda record: not _replaced(record))
    logger.addHandler(outcome)


def _replaced(record: logging.LogRecord) -> bool:
    """Whether this module says the same in other words."""
    return (
        vars(record).get("event") in FAILED
        or is_command_error(record)
        or any(text in record.getMessage() for text in ENDINGS)
    )


def say_where(workflow: Any, jobs: Jobs) -> None:
    """Print where the results of a finished run are."""
    settings, paths, part = workflow.dag_settings, jobs.paths, jobs.part
    targets = sorted(set(settings.targets) - {"all"})
    if targets or settings.until or settings.omit_from:
        say(f"\nDone: {', '.join(targets) or 'all that the command asks for'}")
    elif part is not None and part.number is not None:
        say(f"\nPart {part.number} of {part.parts} is done; after all: part=tables/{part.parts}")
    else:
        say(f"\nThe report:   {paths.report}")
        say(f"The findings: {paths.findings}")
        say(f"The tables:   {Path(paths.table('x')).parent}/")
        for line in degenerate_lines(Path(paths.table("scores"))):
            say(line)


def degenerate_lines(scores: Path) -> list[str]:
    """What scores.csv says of degenerate cells; nothing if there are none,
    or no such table."""
    if not scores.is_file():
        return []
    with scores.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sets = Counter(row["eval_set"] for row in rows if row.get("degenerate") == "yes")
    if not sets:
        return []
    named = ", ".join(f"{name} ({cells})" for name, cells in sets.most_common(NAMED_SETS))
    more = f" and {len(sets) - NAMED_SETS} more sets" if len(sets) > NAMED_SETS else ""
    return [
        f"\nDegenerate: {sets.total():,} of {len(rows):,} cells give one answer to 95 % of the "
        "items (of texts: to half):",
        f"  {named}{more}",
        f"  They are the rows of {scores} whose column degenerate is yes.",
    ]


def say_left(workflow: Any, outcome: Outcome) -> None:
    """Print what a run that did not succeed has left to do, and the command that goes on."""
    jobs = [job for job in workflow.dag.needrun_jobs(exclude_finished=False) if job.output]
    done = sum(workflow.dag.finished(job) for job in jobs)
    left, failed = len(jobs) - done, len(outcome.failed)
    if outcome.stopped or not failed:
        say(f"\nThe run was stopped. {done} of its {len(jobs)} jobs are done, and kept.")
        say(f"To go on with the {left} that are left:\n  {command()}")
        return
    say(f"\nOf {len(jobs)} jobs {done} are done, {failed} failed, {left - failed} are left:")
    for log, first in outcome.failed.items():
        say(f"  {_name(log)}: {first} ({log})")
    say(f"To go on with them, once that is corrected:\n  {command()}")


def command() -> str:
    """This run's command, as it is typed."""
    program, *arguments = sys.argv
    if Path(program).name != "snakemake":
        start = [sys.executable, "-m", "snakemake"]
    else:
        start = ["snakemake" if shutil.which("snakemake") == program else program]
    return shlex.join([*start, *arguments])
