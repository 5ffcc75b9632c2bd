"""What goes wrong on clusters, done on purpose: one function per kind of fault.

Each takes the scene and acts at once, if there is anything to hit: it returns what it hit, or None.
Faults that end by themselves in practice (a node comes back, a disk is cleared) have an `undo`.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slurm.cluster import Cluster, run
from slurm.processes import Process, alive, processes, signal_all

#: Stubs as they appear in the command of a job's process.
TRAINERS = ("tune_variant.py", "checkpoints_pretrain.py")
EVALUATION = ("evaluate_variant.py",)

#: An evaluation's log line for each cell that it made.
CELL = " items in "

#: Edits in the middle of a run: settings, and code that evaluates.
EDITS = (
    ("config/tasks/nli.yaml", "### Inference:", "### Relation:"),
    (
        "workflow/scripts/tuning_dynamics/evaluate/prompts.py",
        "TOGETHER = 1024",
        "TOGETHER = 512",
    ),
)


@dataclass
class Scene:
    """A study that runs on a cluster: its results, and the Snakemake that drives it."""

    cluster: Cluster
    results: Path
    command: list[str]
    environment: dict[str, str]
    driver: "subprocess.Popen[bytes]"
    random: random.Random

    @property
    def repository(self) -> Path:
        """The folder in which commands run."""
        return self.results.parents[1]

    @property
    def logs(self) -> str:
        """The beginning of the paths of the jobs' logs."""
        return f"{self.results}/logs/"

    def working(self, stubs: tuple[str, ...]) -> Process | None:
        """Some process of the study's jobs that does the work of one of the stubs."""
        found = self._all(stubs)
        if not found:
            return None
        # The cells of an evaluation that has begun take a second or two.
        evaluates = any(stub in process.command for process in found for stub in EVALUATION)
        time.sleep(self.random.uniform(0, 0.3 if evaluates else 2))
        found = self._all(stubs)
        return self.random.choice(found) if found else None

    def _all(self, stubs: tuple[str, ...]) -> list[Process]:
        return [
            process
            for process in processes()
            if process.job
            and process.output.startswith(self.logs)
            and any(stub in process.command for stub in stubs)
            and self._begun(process)
        ]

    def _begun(self, process: Process) -> bool:
        """Whether a process has loaded its model, or made a cell, by its log."""
        with suppress(OSError):
            text = Path(process.output).read_text(errors="replace")
            if any(stub in process.command for stub in EVALUATION):
                return CELL in text
            return text.count("\n") > 1  # the first line names the SLURM job
        return False

    def job(self, states: str) -> str | None:
        """Id of some job of the study in one of SLURM's states."""
        jobs = run("squeue", "-h", "-t", states, "-o", "%A %P", check=False).splitlines()
        ids = [line.split()[0] for line in jobs if "urgent" not in line]
        return self.random.choice(ids) if ids else None


@dataclass
class Hit:
    """What a fault hit: words, the SLURM job, the log of the job's process ("" if none).

    `undo` ends the fault, after this many seconds.
    """

    what: str
    job: str = ""
    log: str = ""
    undo: Callable[[], None] | None = None
    after: float = 0.0


def _signalled(scene: Scene, stubs: tuple[str, ...], number: signal.Signals) -> Hit | None:
    process = scene.working(stubs)
    if process is None:
        return None
    signal_all([process], number)
    return _hit(scene, process)


def _hit(scene: Scene, process: Process) -> Hit:
    log = process.output.removeprefix(scene.logs)
    return Hit(log.removesuffix(".log"), process.job, log)


def trainer_killed(scene: Scene) -> Hit | None:
    """SIGKILL of a training process."""
    return _signalled(scene, TRAINERS, signal.SIGKILL)


def trainer_signalled_to_end(scene: Scene) -> Hit | None:
    """SIGTERM to a training process."""
    return _signalled(scene, TRAINERS, signal.SIGTERM)


def evaluation_killed(scene: Scene) -> Hit | None:
    """SIGKILL of a variant's evaluation in the middle of its cells."""
    return _signalled(scene, EVALUATION, signal.SIGKILL)


def out_of_memory(scene: Scene) -> Hit | None:
    """The kernel's OOM killer takes a process: it is moved where no more memory is available."""
    process = scene.working((*TRAINERS, *EVALUATION))
    if process is None:
        return None
    tight = MEMORY / f"fault-{process.pid}"
    tight.mkdir()
    for name in LIMITS:
        if (tight / name).exists():
            (tight / name).write_text("4096")
    with suppress(OSError):  # it has just ended
        (tight / "cgroup.procs").write_text(str(process.pid))
    return _with_undo(_hit(scene, process), lambda: _remove(tight, process.pid), 5)


#: Where cgroups' memory limits are set, under the first and the second version.
MEMORY = Path(
    "/sys/fs/cgroup/memory" if Path("/sys/fs/cgroup/memory").is_dir() else "/sys/fs/cgroup"
)
LIMITS = ("memory.limit_in_bytes", "memory.max")


def _remove(tight: Path, pid: int) -> None:
    # It may not have requested more memory yet: then it is killed, as by the OOM killer.
    if alive(pid):
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    with suppress(OSError):
        tight.rmdir()


def _with_undo(hit: Hit, undo: Callable[[], None], after: float) -> Hit:
    hit.undo, hit.after = undo, after
    return hit


def warned(scene: Scene) -> Hit | None:
    """SIGURG to all processes of a job: SLURM's warning of a time limit (profile's `--signal`)."""
    process = scene.working(TRAINERS)
    if process is None:
        return None
    run("scancel", "--signal=URG", process.job, check=False)
    return _hit(scene, process)


def cancelled_running(scene: Scene) -> Hit | None:
    """scancel of a running job."""
    return _on_job(scene, "R", "scancel")


def cancelled_waiting(scene: Scene) -> Hit | None:
    """scancel of a queued job."""
    return _on_job(scene, "PD", "scancel")


def requeued(scene: Scene) -> Hit | None:
    """scontrol requeue of a running job."""
    return _on_job(scene, "R", "scontrol", "requeue")


def _on_job(scene: Scene, states: str, *command: str) -> Hit | None:
    job = scene.job(states)
    if job is None:
        return None
    hit = _hit_of_job(scene, job)
    run(*command, job, check=False)
    return hit


def _hit_of_job(scene: Scene, job: str) -> Hit:
    """What a job is doing, by the log of one of its processes, or else its name."""
    for process in processes():
        if process.job == job and process.output.startswith(scene.logs):
            return _hit(scene, process)
    return Hit(run("squeue", "-h", "-j", job, "-o", "%k", check=False).strip(), job)


def time_up(scene: Scene) -> Hit | None:
    """A training process hangs until its job's time limit."""
    process = scene.working(TRAINERS)
    if process is None:
        return None
    signal_all([process], signal.SIGSTOP)
    run("scontrol", "update", f"JobId={process.job}", "TimeLimit=1", check=False)
    return _hit(scene, process)


def preempted(scene: Scene) -> Hit | None:
    """An urgent job takes a node, and its jobs are requeued."""
    process = scene.working((*TRAINERS, *EVALUATION))
    if process is None:
        return None
    run(
        *("sbatch", "--partition=urgent", f"--nodelist={process.node}", "--exclusive", "--mem=0"),
        *("--output=/dev/null", "--wrap", "sleep 6"),
    )
    return _hit(scene, process)


def node_lost(scene: Scene) -> Hit | None:
    """A node dies with all its jobs, and comes back."""
    process = scene.working((*TRAINERS, *EVALUATION))
    if process is None:
        return None
    scene.cluster.kill_node(process.node)
    hit = _hit(scene, process)
    hit.what = f"{process.node}: {hit.what}"
    back = scene.random.uniform(5, 30)
    return _with_undo(hit, lambda: scene.cluster.start_node(process.node), back)


def controller_lost(scene: Scene) -> Hit | None:
    """SLURM's controller dies, so that no command is answered, and comes back."""
    scene.cluster.kill_controller()
    back = scene.random.uniform(3, 10)
    return Hit(f"away for {back:.0f} s", "", "", scene.cluster.start_controller, back)


def driver_killed(scene: Scene) -> Hit | None:
    """SIGKILL of Snakemake, with jobs on the cluster."""
    jobs = len(scene.cluster.running_jobs())
    if not jobs:
        return None
    scene.driver.kill()
    return Hit(_on_cluster(jobs))


def driver_interrupted(scene: Scene) -> Hit | None:
    """Ctrl-C on Snakemake."""
    if not scene.cluster.running_jobs():
        return None
    scene.driver.send_signal(signal.SIGINT)
    return Hit(_on_cluster(len(scene.cluster.running_jobs())))


def _on_cluster(jobs: int) -> str:
    return f"{jobs} job{'' if jobs == 1 else 's'} on the cluster"


def second_run(scene: Scene) -> Hit | None:
    """The same command a second time, while the first runs; it must be refused."""
    if not (scene.results / ".lock").is_file() or scene.driver.poll() is not None:
        return None
    done = subprocess.run(
        scene.command, cwd=scene.repository, env=scene.environment, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    said = done.stdout + done.stderr
    refused = done.returncode != 0 and "another run works on this study" in said
    return Hit("refused" if refused else f"NOT REFUSED, exit {done.returncode}: {said[-500:]}")


def disk_full(scene: Scene) -> Hit | None:
    """The file system of the results is full, and is cleared after a while."""
    root = scene.repository / "results"
    if not root.is_mount():
        return None
    filler = root / ".filler"
    with suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(1 << 20))
    with suppress(OSError), filler.open("ab", buffering=0) as stream:
        while True:
            stream.write(bytes(512))
    full = scene.random.uniform(3, 12)
    return Hit(f"for {full:.0f} s", undo=lambda: filler.unlink(missing_ok=True), after=full)


def edited(scene: Scene) -> Hit | None:
    """A file that jobs work with is edited, and put back after a while."""
    if not scene.cluster.running_jobs():
        return None
    name, old, new = scene.random.choice(EDITS)
    path = scene.repository / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
    back = scene.random.uniform(5, 20)

    def undo() -> None:
        path.write_text(text, encoding="utf-8")

    return Hit(f"{path.name} for {back:.0f} s", undo=undo, after=back)


KINDS: dict[str, Callable[[Scene], Hit | None]] = {
    kind.__name__: kind
    for kind in (
        *(trainer_killed, evaluation_killed, out_of_memory, trainer_signalled_to_end, edited),
        *(warned, cancelled_running, cancelled_waiting, requeued, preempted, time_up),
        *(node_lost, controller_lost, driver_killed, driver_interrupted, second_run, disk_full),
    )
}
