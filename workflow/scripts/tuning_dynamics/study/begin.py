"""How a run begins: the config becomes jobs, provenance is kept with the results, one at a time."""

import base64
import binascii
import fcntl
import gc
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tuning_dynamics.plan.guard import guard
from tuning_dynamics.study.cluster import end_orphans, require_cluster
from tuning_dynamics.study.disk import out_of_space
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.figures import StudyFigure
from tuning_dynamics.study.identity import code_digest, recall, remember
from tuning_dynamics.study.jobs import Jobs
from tuning_dynamics.study.load import load_study
from tuning_dynamics.study.parts import parse_part, settings
from tuning_dynamics.study.paths import Paths
from tuning_dynamics.study.sides import Sides, check_sides, sides_of
from tuning_dynamics.study.stub import DRIVER, RUN
from tuning_dynamics.study.watch import watch

#: The stubs whose code a cell's records depend on.
EVALUATION = ("evaluate_serve.py", "evaluate_cell.py")

#: What digests of code are made from, for the processes of single jobs.
KNOWN_CODE = Path(".snakemake", "code.json")

#: In a study's folder: the name of the run whose jobs SLURM may still have.
SLURM_RUN = ".slurm_run.json"

#: Locks of this process; the system lets go of them when it ends, however it ends.
_HELD: list[Any] = []


def begin(config: dict[str, Any], workflow: Any) -> tuple[Jobs, Sides, Callable[..., str]]:
    """The jobs of a config mapping, the sides that it compares, and the function that digests code.

    `workflow` is Snakemake's. The processes that it starts for single jobs, on a cluster's nodes
    for instance, take the study as checked, and touch no file of others' jobs. Ends the process
    with the error's text alone where the config is wrong.
    """
    # Millions of objects live from planning to the end: looking through them for garbage again
    # and again takes over a quarter of the time (docs/scale.md).
    gc.set_threshold(50_000, 100, 1000)
    # Small matrices gain nothing from threads, jobs run side by side, and sums stay in order.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.environ[DRIVER] = str(os.getpid())
    if workflow.is_main_process:
        os.environ[RUN] = uuid4().hex
    file = ", ".join(str(path) for path in workflow.configfiles) or "config/config.yaml"
    with _told():
        take_turns(workflow)
        study = load_study(settings(config), Path(workflow.basedir), file)
        jobs, sides = Jobs(study, file, parse_part(config.get("part"), file)), sides_of(config)
        recall(KNOWN_CODE)
        if workflow.is_main_process and sides.asked:
            check_sides(sides)
            keep_provenance()
        elif workflow.is_main_process:
            jobs.check_whole()
            keep_provenance()
            jobs.leave_placeholders(everywhere=False)
            forget_killed_servers(Path(".snakemake", "incomplete"))
    return jobs, sides, code_digest


def take_turns(workflow: Any, devices: Path = Path("/dev")) -> None:
    """Have jobs that ask for a GPU run one at a time, where they run on this machine's.

    Two at once would share one GPU's memory. --resources gpu=N on the command line goes before.
    """
    here = workflow.global_resources["_nodes"].value is None
    if here and "gpu" not in workflow.global_resources and any(devices.glob("nvidia[0-9]*")):
        workflow.global_resources["gpu"] = 1


@contextmanager
def _told() -> Iterator[None]:
    """Have a StudyError, or a full disk, end the process with its text alone."""
    try:
        yield
    except StudyError as error:
        raise SystemExit(f"\nThe study cannot begin.\n{error}\n") from None
    except OSError as error:
        full = out_of_space(error, Path("results"))
        if full is None:
            raise
        raise SystemExit(f"\nThe study cannot begin.\n{full}\n") from None


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
            labels={"table": name.replace("_", " ")},
            caption=f"../report/table_{name}.rst",
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


def serving(workflow: Any, jobs: Jobs) -> str:
    """The shell command that starts a variant's server, but for its own arguments."""
    study = jobs.resolved.study
    told = [study.execution.device, study.execution.batch_tokens or 0, study.evaluate.dtype]
    # exec: the signal that ends a service must reach Python, not a shell around it.
    command = f"exec {_starting(workflow, 'evaluate_serve.py')}"
    return f"{command} {' '.join(map(str, told))} {code_digest(*EVALUATION)}"


def asking(workflow: Any) -> str:
    """The shell command of a cell's client, but for its own arguments."""
    return _starting(workflow, "evaluate_cell.py")


def _starting(workflow: Any, stub: str) -> str:
    """The shell command that starts a stub.

    Its Python is that of the job's environment where Snakemake deploys one, else the one that
    runs Snakemake.
    """
    deployed = workflow.deployment_settings.deployment_method
    python = "python" if deployed else shlex.quote(sys.executable)
    return f"{python} {shlex.quote(str(Path(workflow.basedir, 'workflow', 'scripts', stub)))}"


def keep_provenance(root: Path = Path()) -> None:
    """Have Snakemake's records of jobs lie in results/, so that they travel with the results.

    They say from which settings, code and inputs a file was made: without them a copy of the
    results could not tell whether it is current.
    """
    records, link = root / "results" / ".provenance", root / ".snakemake" / "metadata"
    records.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink() and not link.exists():
        link.symlink_to(Path("..", "results", ".provenance"))


def forget_killed_servers(marks: Path) -> None:
    """Remove Snakemake's marks of servers that a killed run left behind.

    A server's file holds no result. Snakemake would start the server by itself to complete it,
    without the cells that it is for, and never end it. A mark is a file whose name is the
    marked path in base 64 (long ones are parted into folders that begin with @).
    """
    for mark in marks.rglob("*"):
        if mark.is_file():
            coded = "".join(part.removeprefix("@") for part in mark.relative_to(marks).parts)
            try:
                marked = base64.b64decode(coded, validate=True)
            except binascii.Error:
                continue  # no mark of Snakemake's
            if marked.endswith(b"/server.json"):
                mark.unlink()


def start(workflow: Any, jobs: Jobs, gpu: int) -> None:
    """What a run does once it is planned, before its first job, and a dry run does not.

    `workflow` is Snakemake's; `gpu` is how many GPUs a job that computes a model asks for. Ends
    the process with the error's text alone where the run would cost too much, another run works
    on the study, or SLURM can't take its jobs.
    """
    with _told():
        guard(workflow, jobs)
        lock(jobs.paths.root)
        run = None
        if workflow.non_local_exec:
            require_cluster(workflow, gpu)
            run = workflow.scheduler._executor.run_uuid
        end_orphans(Path(jobs.paths.root, SLURM_RUN), run)
        if run is not None:
            watch(workflow.scheduler._executor, run)
        remember(KNOWN_CODE)
        jobs.leave_placeholders(everywhere=True)
    # Snakemake would warn of each of them: they were not there when it planned.
    unexpected = "output files of rule serve were not present"
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(lambda record: unexpected not in record.getMessage())


def finish(jobs: Jobs) -> None:
    """What a run does once all its jobs are done: it has left none on SLURM."""
    Path(jobs.paths.root, SLURM_RUN).unlink(missing_ok=True)


def lock(study_root: str) -> None:
    """Hold a study for this process; StudyError where another run holds it.

    A lock of the operating system, unlike Snakemake's own, is gone when its holder is killed,
    so that the same command continues.
    """
    path = Path(study_root) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StudyError(
            "another run works on this study",
            file=study_root,
            fix="wait until it ends, or end it",
        ) from None
    _HELD.append(handle)
