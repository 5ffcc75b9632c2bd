"""Jobs that SLURM has forgotten."""

import threading
from dataclasses import dataclass, field

from tuning_dynamics.run.slurm_watch import look


@dataclass
class Job:
    external_jobid: str


@dataclass
class Executor:
    """What the watch uses of Snakemake's."""

    active_jobs: list[Job]
    lock: threading.Lock = field(default_factory=threading.Lock)
    failed: list[str] = field(default_factory=list)

    def report_job_error(self, job: Job, msg: str) -> None:
        assert job.external_jobid in msg
        self.failed.append(job.external_jobid)


def test_a_job_that_is_missing_twice_has_failed() -> None:
    executor = Executor([Job("1"), Job("2"), Job("3")])
    missing = look(executor, ["1", "3"], set())
    assert executor.failed == []
    missing = look(executor, ["1"], missing)
    assert executor.failed == ["2"]
    assert [job.external_jobid for job in executor.active_jobs] == ["1", "3"]
    assert missing == {"2", "3"}


def test_a_job_that_is_listed_again_is_not_lost() -> None:
    executor = Executor([Job("1")])
    missing = look(executor, [], set())
    missing = look(executor, ["1"], missing)
    look(executor, [], missing)
    assert executor.failed == []
