"""Everything that relies on Snakemake's internals, as in 9.27.1, each part with its own test.

Snakemake asks its persistence whether a job's outputs are current. Ours answers from the records
of the study (identity/records.py) and keeps no metadata of its own, so that results are judged by
content and in one place. Times do not matter, and outputs of a failed job are not deleted: a record
says which of them are finished.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import snakemake.api  # first: it and snakemake.workflow import one another
import snakemake.jobs
import snakemake.workflow
from snakemake.persistence import NO_PARAMS_CHANGE, MetadataRecord, ParamsChange
from snakemake.persistence.file import FilePersistence
from snakemake.settings.types import RerunTrigger

from tuning_dynamics.common.disk_full import system_error
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.identity.current import Current
from tuning_dynamics.identity.reasons import Reason
from tuning_dynamics.run.environments import asked_for
from tuning_dynamics.run.views import recorded, view_of_planned

#: Looks at the files that a command asks for, what tells whether a rule makes one, and the rules.
Targets = Callable[[list[str], Callable[[str], bool], list[str]], None]


class NotCurrent(ParamsChange):  # type: ignore[misc]
    """Why outputs are not current; Snakemake prints it after its text on params."""

    def __str__(self) -> str:
        return str(next(iter(self.only_new)))


class Records(FilePersistence):  # type: ignore[misc]
    """Snakemake's persistence from the records of a study; without any in a job's own process."""

    current: "Current | None" = None
    forces = True
    require_targets: "Targets | None" = None

    def __init__(self, *arguments: Any, dag: Any, **options: Any) -> None:
        """As in Snakemake; called once its jobs are known and before any is planned."""
        options.pop("db_url", None)  # of a database for metadata
        with _system_errors():
            super().__init__(*arguments, dag=dag, **options)
        if self.require_targets is not None:
            _find_partitions(dag.workflow)
            _look_at_targets(dag, self.require_targets)
        # Its other reasons are times and metadata, which are not used.
        dag.workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.PARAMS})
        if not self.forces:
            dag.forcerules.clear()
            dag.forcefiles.clear()

    def has_metadata(self, job: Any) -> bool:
        """Always: outputs without a record are reported with a reason."""
        return True

    def has_outdated_metadata(self, job: Any) -> bool:
        """Never: records are read whatever Snakemake wrote them."""
        return False

    def params_changed(self, job: Any, file: Any = None) -> Any:
        """Why a job's outputs are not current, as the change that Snakemake prints."""
        del file
        with _system_errors():
            reason = reason_of(job)
        if reason is None:
            return NO_PARAMS_CHANGE
        return NotCurrent(only_new={reason.text}, files=set(job.output))

    def metadata(self, target: Any) -> MetadataRecord | None:
        """The rule and the time of an output, for `snakemake --report`."""
        job = next((job for job in self.dag.jobs if target in job.output), None)
        made = (
            None
            if job is None or self.current is None
            else self.current.made_at(view_of_planned(job).name)
        )
        if job is None or made is None:
            return None
        return MetadataRecord(rule=job.rule.name, job_hash=hash(job), starttime=made, endtime=made)

    def started(self, job: Any, external_jobid: str | None = None) -> None:
        """Nothing: the job itself writes its record."""

    async def finished(self, job: Any) -> None:
        """Accept existing outputs, if they are touched."""
        if self.current is not None and self.dag.workflow.touch and recorded(job):
            self.current.accept(view_of_planned(job), asked_for(environment_of(job)))

    async def incomplete(self, job: Any) -> list[Any]:
        """None: a record says what is finished."""
        return []

    def external_jobids(self, job: Any) -> list[str]:
        """None: jobs of an earlier run are ended when a run begins."""
        return []

    def cleanup(self, job: Any) -> None:
        """Nothing to clean."""

    def cleanup_metadata(self, target: Any) -> bool:
        """Nothing to clean."""
        return False

    def backup_output(self, path: Path) -> None:
        """None: a job writes its files atomically."""

    def restore_output(self, path: Path) -> bool:
        """Make Snakemake keep a failed job's outputs; its record says which are finished."""
        return True

    def cleanup_backup(self, path: Path) -> None:
        """Nothing to clean."""


@contextmanager
def _system_errors() -> Iterator[None]:
    """Make an error of the system end the process with only its text."""
    try:
        yield
    except OSError as error:
        found = system_error(error, Path("results"))
        raise SystemExit(f"\nThe study can't be planned.\n{found}\n") from None


def _find_partitions(workflow: Any) -> None:
    """Correct the path of the cluster profile's partitions: Snakemake makes it from the current
    folder, and leaves that for `--directory`."""
    settings = workflow.executor_settings
    if not workflow.non_local_exec or settings.partition_config is None:
        return
    file = Path(settings.partition_config)
    own = Path(workflow.basedir, "profiles", "slurm", file.name)
    if not file.is_file() and own.is_file():
        settings.partition_config = own


def _look_at_targets(dag: Any, require: Targets) -> None:
    """End the process with only an error's text for a file of the command that no rule makes."""
    given = dag.targetfiles, dag.forcefiles, dag.untilfiles, dag.omitfiles
    asked = sorted({str(file) for files in given for file in files})
    rules = list(dag.workflow.rules)
    try:
        require(
            asked,
            lambda file: any(rule.is_producer(file) for rule in rules),
            [rule.name for rule in rules],
        )
    except StudyError as error:
        raise SystemExit(f"\nThe study cannot begin.\n{error}\n") from None


def reason_of(job: Any) -> Reason | None:
    """Why a planned job's outputs are not current."""
    if Records.current is None or not recorded(job):
        return None
    view = view_of_planned(job)
    reason = Records.current.ask(view)
    Records.current.compare_versions(view.name, asked_for(environment_of(job)))
    return reason


def environment_of(job: Any) -> str:
    """The environment file of a job."""
    return str(Path(job.rule.workflow.basedir, "envs", Path(str(job.rule.conda_env)).name))


async def _no_time(job: Any) -> None:
    """The time of a job's outputs: None, so that no input is newer."""
    del job


def judge_by_records(
    current: Current | None, *, require_targets: Targets | None = None, forces: bool = True
) -> None:
    """Make Snakemake judge by records what is current; call it before it plans.

    `require_targets` raises StudyError for a target that is neither a rule's file nor a rule.

    `current` is None in the processes that it starts for single jobs, and if there is no study.
    Without `forces`, `--force`, `--forceall` and `--forcerun` have no effect: they have already
    been obeyed.
    """
    Records.current, Records.forces = current, forces
    Records.require_targets = None if require_targets is None else staticmethod(require_targets)
    snakemake.workflow.FilePersistence = Records  # type: ignore[misc]
    snakemake.workflow.DbPersistence = Records  # type: ignore[misc]
    snakemake.jobs.Job.output_mintime = property(_no_time)  # type: ignore[method-assign]


def keep_outputs(workflow: Any) -> None:
    """Stop Snakemake from deleting outputs before a job, or after a failed one; call it once all
    rules are read: the job itself judges, keeps or replaces existing outputs."""
    for rule in workflow.rules:
        for output in rule.output:
            output.set_flags({**output.flags, "update": True})


def wake_when_jobs_end(workflow: Any) -> None:
    """Make Snakemake look for jobs to start only when a job ends; call it when a run begins.

    With its limit of jobs per second it looks again a second after each look at which jobs wait,
    so that looks add up with every job that ends: half of its time at 800 short jobs.
    """
    workflow.scheduler.job_rate_limiter = None


def planned_jobs(workflow: Any) -> Iterator[tuple[Any, bool, list[Any]]]:
    """The jobs of a run, each with whether it is forced, and the jobs that make its inputs,
    planned or not."""
    dag = workflow.dag
    for job in dag.needrun_jobs(exclude_finished=False):
        yield job, bool(dag.reason(job).forced), list(dag.dependencies.get(job, ()))


def same_command(*options: str) -> list[str]:
    """The command that this process was started with, with options before its own: after `--`
    there are only names of files."""
    return [sys.executable, "-m", "snakemake", *options, *sys.argv[1:]]
