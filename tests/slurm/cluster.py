"""A real SLURM cluster on this machine: one controller, three nodes on loopback, made-up GPUs.

Debian's SLURM (`slurm-wlm`, `munge`) and root are all it needs. The nodes are `gpu1` (four A100,
as far as SLURM knows), `gpu2` (two H100) and `cpu1`; the partitions `gpu` and `cpu` are what a
study uses, and `urgent` preempts both by requeueing. All files lie in one folder, but for
/etc/slurm, where SLURM's commands look for the configuration: a machine that has one there
already is left alone.

    python -m slurm.cluster start FOLDER    # from tests/, to try things by hand
    python -m slurm.cluster stop FOLDER
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slurm.processes import alive, processes, signal_all

#: Where SLURM's commands and Snakemake's jobs inside an allocation look for the configuration.
ETC = Path("/etc/slurm")
NODES = {"gpu1": ("a100", 4), "gpu2": ("h100", 2), "cpu1": ("", 0)}
#: Cores of a node: few, so that jobs wait in the queue.
CORES = 2
FIRST_PORT = 17000
UP_WITHIN = 60.0

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job starts again once its credential has expired: after 20 s rather than 120.
AuthInfo=cred_expire=20
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/spool/%n
# Neither cgroups nor core binding: it runs in containers too. Memory is looked at every second,
# and a job that takes more than it asked for is killed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
SwitchType=switch/none
# The nodes are what is written here, whatever the machine has.
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
# Snakemake asks squeue how a job ended, minutes after it did.
MinJobAge=600
# Short, so that a lost node is noticed and a killed job gone within seconds.
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
PriorityType=priority/basic
DefMemPerCPU=500
AccountingStorageType=accounting_storage/none
# What ran where, and how it ended.
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.log
{nodes}
PartitionName=gpu Nodes=gpu1,gpu2 MaxTime=1-0 State=UP PriorityTier=10
PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=1-0 State=UP PriorityTier=10
PartitionName=urgent Nodes=ALL MaxTime=1-0 State=UP PriorityTier=100 PreemptMode=off
"""


class NoClusterError(Exception):
    """This machine cannot have the cluster, with the reason."""


def why_not() -> str:
    """Why this machine cannot have the cluster; "" if it can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name)]
    if missing:
        return f"needs {', '.join(missing)} (Debian: slurm-wlm and munge)"
    # Broken links count: their targets may be absent temporarily.
    if any(os.path.lexists(ETC / name) for name in ("slurm.conf", "gres.conf", "cgroup.conf")):
        return f"{ETC} has a configuration already, which is left alone"
    return ""


class Cluster:
    """A cluster whose files lie in `folder`; `start` it, and `stop` it whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.started_munge = False

    def start(self) -> None:
        """Start everything; NoClusterError if it isn't up within a minute."""
        reason = why_not()
        if reason:
            raise NoClusterError(reason)
        self._write_configuration()
        self._start_munge()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "the nodes to be idle")

    def stop(self) -> None:
        """Cancel all jobs and end what `start` started; another cluster is left alone."""
        if (ETC / "slurm.conf").resolve() != self.folder / "slurm.conf":
            return
        jobs = run("squeue", "-h", "-o", "%A", check=False).split()
        if jobs:
            run("scancel", "--quiet", *jobs, check=False)
        with suppress(NoClusterError):
            self._wait(lambda: not self.running_jobs(), "the jobs to end", 20)
        for name in (*NODES, "slurmctld", *(["munged"] if self.started_munge else [])):
            self._end(name)
        # What a job started in the last moment, say.
        signal_all([process for process in processes() if process.node in NODES], signal.SIGKILL)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)

    def start_controller(self) -> None:
        """Start the controller; it continues with the jobs that it knew."""
        self._daemon("slurmctld", "-i")

    def kill_controller(self) -> None:
        """SIGKILL the controller: no command is answered, and running jobs run on."""
        os.kill(int((self.folder / "slurmctld.pid").read_text()), signal.SIGKILL)

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._daemon("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """SIGKILL a node's daemon and all its jobs' processes, like a power cut."""
        daemon = int((self.folder / f"{node}.pid").read_text())
        everything = processes()
        there = [process for process in everything if process.node == node]
        parents = {process.parent for process in there}
        steps = [p for p in everything if p.pid in parents and p.command.startswith("slurmstepd")]
        daemons = [process for process in everything if process.pid == daemon]
        signal_all([*daemons, *steps, *there], signal.SIGKILL)

    def ended(self) -> dict[str, list[str]]:
        """How each job ended, by id: several states if it was requeued."""
        log, states = self.folder / "jobs.log", dict[str, list[str]]()
        lines = log.read_text().splitlines() if log.is_file() else []
        for line in lines:
            fields = dict(text.split("=", 1) for text in line.split() if "=" in text)
            states.setdefault(fields["JobId"], []).append(fields["JobState"])
        return states

    def states(self) -> dict[str, str]:
        """State of each node, as sinfo names it."""
        lines = run("sinfo", "-h", "-N", "-o", "%N %T", check=False).splitlines()
        return dict(sorted(line.split() for line in lines)) if lines else {}

    def daemons(self) -> list[int]:
        """Process ids of the controller and the nodes' daemons."""
        return [int(path.read_text()) for path in self.folder.glob("*.pid")]

    def running_jobs(self) -> list[str]:
        """Ids of the jobs that hold a node."""
        return run("squeue", "-h", "-t", "R,CG", "-o", "%A", check=False).split()

    def _write_configuration(self) -> None:
        for name in ("state", "spool", "devices"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        host = run("hostname", "-s").strip()
        nodes, gpus = [], []
        for number, (node, (kind, count)) in enumerate(NODES.items(), 1):
            gres = f" Gres=gpu:{kind}:{count}" if count else ""
            nodes.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={FIRST_PORT + number}"
                f" CPUs={CORES} RealMemory=64000{gres}"
            )
            devices = [self.folder / "devices" / f"{kind}_{k}" for k in range(count)]
            for device in devices:
                if not device.exists():
                    # As /dev/null: SLURM counts GPUs by their device files, and opens none.
                    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            if devices:
                pattern = f"{self.folder}/devices/{kind}_[0-{count - 1}]"
                gpus.append(f"NodeName={node} Name=gpu Type={kind} File={pattern}")
        text = CONFIGURATION.format(
            host=host, port=FIRST_PORT, folder=self.folder, nodes="\n".join(nodes)
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("\n".join(gpus) + "\n")
        ETC.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).symlink_to(self.folder / name)

    def _start_munge(self) -> None:
        if munge_answers():
            return
        for path in (Path("/run/munge"), Path("/var/log/munge")):
            path.mkdir(exist_ok=True)
            shutil.chown(path, "munge", "munge")
        Path("/run/munge").chmod(0o755)
        run("runuser", "-u", "munge", "--", "munged")
        self.started_munge = True
        self._wait(munge_answers, "munged to answer")

    def _daemon(self, *command: str) -> None:
        with (self.folder / "daemons.out").open("a") as log:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
                start_new_session=True,
            )  # fmt: skip

    def _end(self, name: str) -> None:
        """End a daemon of ours by the id it wrote, and wait until it is gone."""
        file = Path("/run/munge/munged.pid") if name == "munged" else self.folder / f"{name}.pid"
        if not file.is_file() or not file.read_text().strip():
            return
        pid = int(file.read_text())
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        with suppress(NoClusterError):
            self._wait(lambda: not alive(pid), f"{name} to end", 20)

    def _wait(self, reached: Callable[[], bool], what: str, seconds: float = UP_WITHIN) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                raise NoClusterError(f"waited {seconds:.0f} s for {what}; logs in {self.folder}")
            time.sleep(0.2)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A running cluster, stopped when the block ends however it ends."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def run(*command: str, check: bool = True) -> str:
    """A command's standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise NoClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def munge_answers() -> bool:
    """Whether a munged serves this machine."""
    return subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    what, where = sys.argv[1:]
    try:
        {"start": Cluster(Path(where)).start, "stop": Cluster(Path(where)).stop}[what]()
    except NoClusterError as error:
        sys.exit(f"No SLURM cluster here: {error}")
