"""How a run begins and ends: the config becomes jobs, one run at a time, and a final check."""

import gc
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from tuning_dynamics.common.atomic_files import sweep
from tuning_dynamics.common.disk_full import system_error
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.job_log import DRIVER, RUN, this_process
from tuning_dynamics.common.locks import let_go, lock, without_jobs
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.config.lines import lines_named
from tuning_dynamics.config.load import load_study
from tuning_dynamics.grid.compare_request import Sides, check_sides, sides_of
from tuning_dynamics.grid.figures import StudyFigure
from tuning_dynamics.grid.show_request import check_shown, shown_cell
from tuning_dynamics.identity.code_digest import recall, remember
from tuning_dynamics.identity.current import Current
from tuning_dynamics.identity.job import Planned, write_plan
from tuning_dynamics.identity.units import planned_digest, unread
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.command import require_files
from tuning_dynamics.run.environments import asked_for
from tuning_dynamics.run.outcome import say_where, show_outcome
from tuning_dynamics.run.parts import parse_part, settings
from tuning_dynamics.run.slurm import end_orphans, require_cluster
from tuning_dynamics.run.slurm_watch import watch
from tuning_dynamics.run.snakemake_internals import (
    environment_of,
    judge_by_records,
    planned_jobs,
    same_command,
    wake_when_jobs_end,
)
from tuning_dynamics.run.study_file import folders, given, read_strictly
from tuning_dynamics.run.targets import require_targets
from tuning_dynamics.run.views import recorded, view_of_planned
from tuning_dynamics.tables.catalogue import caption_of

#: The environment variable that says that this process checks for jobs that a run has left, and how
#: many such checks came before it.
LOOK = "TUNING_DYNAMICS_LOOK"

#: The environment variable that makes a dry run print only LEFT and the number of its jobs.
ONLY_COUNT = "TUNING_DYNAMICS_ONLY_COUNT"
LEFT = "Jobs left: "

#: Messages of Snakemake that do not apply: on its own metadata, on outputs that a job of an earlier
#: run has made meanwhile, and on restored outputs of a failed job.
MISLEADING = (
    "Restored previous version of",
    "present when the DAG was created",
    "'--rerun-triggers mtime'",
    "'snakemake --cleanup-metadata",
)

#: Number of runs after which stale results are an error: some files change all the time.
LOOKS = 3

#: In a study's folder: the name of the run whose jobs SLURM may still have.
SLURM_RUN = ".slurm_run.json"


def begin(config: dict[str, Any], workflow: Any) -> tuple[Jobs, Sides]:
    """The jobs of a config mapping, and the sides that it compares.

    `workflow` is Snakemake's. The processes that it starts for single jobs, for instance on nodes
    of a cluster, assume that the study was checked, and touch no files of other jobs. If the config
    is wrong, it ends the process with only the error's text.
    """
    # Millions of objects live from planning to the end: repeated garbage collection over them takes
    # over a quarter of the time (docs/scale.md).
    gc.set_threshold(50_000, 100, 1000)
    # One thread: small matrices gain nothing from more, jobs run in parallel, sums stay in order.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.environ[DRIVER] = this_process()
    file = ", ".join(str(path) for path in workflow.configfiles) or "config/config.yaml"
    root = Path(workflow.basedir)
    with _errors_in_words(), lines_named(folders(config, root), given(workflow)):
        if workflow.is_main_process:
            require_files([Path(path) for path in workflow.configfiles])
            _require_no_braces(str(root))
        take_turns(workflow)
        read_strictly(config, workflow)
        study = load_study(settings(config), root, file)
        cell = shown_cell(config)
        jobs, sides = Jobs(study, file, parse_part(config.get("part"), file)), sides_of(config)
        recall()
        current = None
        if workflow.is_main_process and cell.asked:
            check_shown(cell)
        elif workflow.is_main_process and sides.asked:
            check_sides(sides)
        elif workflow.is_main_process:
            os.environ[RUN] = uuid4().hex[:12]
            current = jobs.current
            jobs.check_whole()
        targets = partial(require_targets, files=jobs.wanted, study=study.study.study)
        judge_by_records(
            current,
            require_targets=targets if current else None,
            forces=LOOK not in os.environ,
        )
        leave_out(MISLEADING)
        if workflow.is_main_process:
            show_outcome(workflow, jobs)
    return jobs, sides


def _require_no_braces(folder: str) -> None:
    """StudyError if the repository's path has braces: Snakemake formats the commands that hold
    it."""
    if {"{", "}"} & {*folder}:
        raise StudyError(
            "the path of the repository has braces, which Snakemake takes for a variable",
            file=folder,
            key="path",
            value=folder,
            fix="rename the folder, or clone the repository into another one",
        )


def take_turns(workflow: Any, devices: Path = Path("/dev")) -> None:
    """Make jobs that ask for a GPU run one at a time, if they run on this machine.

    Two at once would share one GPU's memory. --resources gpu=N on the command line has priority.
    """
    here = workflow.global_resources["_nodes"].value is None
    if here and "gpu" not in workflow.global_resources and any(devices.glob("nvidia[0-9]*")):
        workflow.global_resources["gpu"] = 1


def leave_out(texts: tuple[str, ...]) -> None:
    """Suppress Snakemake's messages that contain one of these texts."""
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(lambda record: not any(text in record.getMessage() for text in texts))


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Make a StudyError, or an error of the system, end the process with only its text."""
    try:
        yield
    except StudyError as error:
        raise SystemExit(f"\nThe study cannot begin.\n{error}\n") from None
    except OSError as error:
        found = system_error(error, Path("results"))
        raise SystemExit(f"\nThe study cannot begin.\n{found}\n") from None


class Shown:
    """Outputs that the report shows, with category, labels and caption.

    `report` is Snakemake's flag of that name.
    """

    def __init__(self, paths: Paths, report: Callable[..., Any]) -> None:
        self.paths, self.report = paths, report

    def table(self, name: str) -> Any:
        """A table as CSV."""
        return self.report(
            self.paths.table(name),
            category="Tables",
            labels={"table": name.replace("_", " "), "what": caption_of(name)},
        )

    def figure(self, figure: StudyFigure) -> Any:
        """A figure as SVG."""
        return self.report(
            self.paths.figure(figure.family, figure.name),
            category=figure.theme,
            subcategory=figure.family,
            labels={"figure": figure.title},
            caption=f"../report/{figure.caption}",
        )

    def findings(self) -> Any:
        """The findings' page."""
        return self.report(
            self.paths.findings,
            category="Findings",
            labels={"page": "findings"},
            caption="../report/findings.rst",
        )


def start(workflow: Any, jobs: Jobs, gpu: int, guard: Callable[[Any, Jobs], list[str]]) -> None:
    """What a run, but not a dry run, does after planning and before its first job.

    `workflow` is Snakemake's; `gpu` is the number of GPUs that a job that computes a model asks
    for. It ends the process with only the error's text if there are results without a record, the
    run would cost too much, another run works on the study, or SLURM can't take its jobs.
    """
    with _errors_in_words():
        if not workflow.touch:
            _refuse(workflow, jobs, guard)
        lock(jobs.paths.root)
        wake_when_jobs_end(workflow)
        run = None
        if workflow.non_local_exec:
            require_cluster(workflow, gpu)
            run = workflow.scheduler._executor.run_uuid
        end_orphans(Path(jobs.paths.root, SLURM_RUN), run)
        if run is not None:
            watch(workflow.scheduler._executor, run)
        with without_jobs(jobs.paths.root):
            sweep(jobs.paths.root)
            remember()
            jobs.current.digests.keep()
            planned = planned_of(workflow, jobs.current)
            environments = {job.environment for job in planned.values()}
            versions = {name: asked_for(name) for name in environments}
            write_plan(jobs.paths.planned, os.environ[RUN], planned, versions)


def _refuse(workflow: Any, jobs: Jobs, guard: Callable[[Any, Jobs], list[str]]) -> None:
    """Print why finished results are made again; StudyError if the run must not begin."""
    for line in [*guard(workflow, jobs), *jobs.current.version_lines()]:
        print(line.strip(), flush=True)


def planned_of(workflow: Any, current: Current) -> dict[str, Planned]:
    """The plan of each job of a run, by name; the parts of their code are saved."""
    found, codes = {}, set()
    for job, forced, before in planned_jobs(workflow):
        if recorded(job):
            view = view_of_planned(job)
            units = view.units(unread)
            codes |= {unit.code for unit in units}
            identity, environment = planned_digest(units), environment_of(job)
            sources = [view_of_planned(source).name for source in before if recorded(source)]
            found[view.name] = Planned(view.stub, identity, environment, forced, sources)
    current.keep_code(codes)
    return found


def finish(workflow: Any, jobs: Jobs) -> None:
    """What a run does once all its jobs are done: it removes the note on its SLURM jobs and
    half-written files of killed ones, in a final check makes what is not current, and says where
    the results are."""
    Path(jobs.paths.root, SLURM_RUN).unlink(missing_ok=True)
    with _errors_in_words():
        sweep(jobs.paths.root)
        jobs.current.digests.keep()
        if not workflow.touch and not look_again(jobs.paths.root):
            return
    say_where(workflow, jobs)


def look_again(root: str) -> bool:
    """Plan the same command again, in a new process that reads everything; run it again if
    something is left. Returns whether nothing was. Ends this process with an error if that fails,
    or never ends."""
    looks = int(os.environ.get(LOOK, 0)) + 1
    environment = {**os.environ, LOOK: str(looks)}
    let_go()
    planned = subprocess.run(
        same_command("--quiet", "all", "--dry-run"),
        env={**environment, ONLY_COUNT: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if planned.returncode or LEFT not in planned.stdout:
        raise SystemExit(f"\nThe study can't be planned again.\n{planned.stdout}{planned.stderr}")
    left = planned.stdout.rpartition(LEFT)[2].strip()
    if left == "0":
        return True
    if looks > LOOKS:
        raise StudyError(
            f"{left} jobs are still not current after {LOOKS} runs: what they read changes",
            file=root,
            fix="run the same command again once nothing edits the study's files",
        )
    print(f"\nSomething was edited during the run: {left} jobs are to be done again.\n", flush=True)
    done = subprocess.run(same_command(), env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return False
