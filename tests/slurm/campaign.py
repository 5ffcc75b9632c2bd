"""A fault campaign: studies on a real cluster, faults of all kinds at random times, and tables
that must be byte for byte those of an undisturbed run.

    PYTHONPATH=tests python -m slurm.campaign FOLDER --faults 30 --seed 1

from the repository's root, as root on Debian with SLURM (see `slurm.cluster`). A command that
ends in an error is repeated, as a user would, and counted. FOLDER/campaign.md is the table
of faults and outcomes, FOLDER/study*/ what Snakemake said.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

import yaml
from repository import Repository, clone, environment

from slurm.cluster import Cluster, cluster, run
from slurm.faults import CELL, KINDS, Hit, Scene

CONFIG = "tests/slurm/faults.yaml"
#: The first look at a job is after 5 seconds rather than 20: its jobs are short. They ask for a
#: (made-up) GPU each, as the study plans for a device with some.
ON_CLUSTER = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "5")
#: Bytes of the file system that holds the results: the study needs a tenth.
DISK = "160m"


@dataclass
class Fault:
    """An injected fault: kind, seconds since its study began, what it hit, the outcome."""

    kind: str
    seconds: float
    hit: Hit
    outcome: str = ""


@dataclass
class Disturbed:
    """A study run with faults: `commands` counts how often the command was given."""

    faults: list[Fault] = field(default_factory=list)
    commands: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    differing: list[str] = field(default_factory=list)
    planned: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the tables are the undisturbed run's, nothing is left to do and no fault had an
        effect that it must not have."""
        wrong = any("NOT REFUSED" in fault.hit.what for fault in self.faults)
        return not (self.differing or self.planned or wrong)


def results_of(repository: Repository) -> Path:
    """Where a repository's study has its results."""
    config = yaml.safe_load((repository.folder / repository.study).read_text(encoding="utf-8"))
    return repository.folder / "results" / str(config["study"])


def tables(repository: Repository) -> dict[str, bytes]:
    """Every table but the one of seconds, which no two runs share."""
    folder = results_of(repository) / "tables"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.stem != "cost"}


def rounds(randomness: random.Random) -> Iterator[list[str]]:
    """Endless rounds of faults: each has all kinds, in a random order."""
    while True:
        yield randomness.sample(sorted(KINDS), len(KINDS))


class Campaign:
    """A study in a repository on a cluster, disturbed by a fault every `gap` seconds on average.

    Each of `rounds` is done before the next is begun: in order, but for kinds that find nothing
    to hit yet.
    """

    def __init__(
        self,
        where: Cluster,
        repository: Repository,
        rounds: Iterator[list[str]],
        *,
        seed: int,
        gap: float,
    ) -> None:
        self.repository, self.rounds, self.gap = repository, rounds, gap
        self.log = (repository.folder / "driver.log").open("ab")
        command = [sys.executable, "-m", "snakemake", *ON_CLUSTER, "--configfile", repository.study]
        self.result = Disturbed()
        self.pending: list[Hit] = []
        self.waiting: list[str] = []
        driver = self._give(command)
        self.scene = Scene(
            where, results_of(repository), command, environment(), driver, random.Random(seed)
        )

    def run(self, faults: int) -> Disturbed:
        """Run the study to its end with up to `faults` faults; the last command undisturbed."""
        began, due = time.monotonic(), time.monotonic() + self._pause()
        try:
            while not self._ended():
                now = time.monotonic()
                self._undo(now)
                if len(self.result.faults) < faults and now > due and self._disturb(now - began):
                    due = time.monotonic() + self._pause()
                time.sleep(0.1)
        finally:
            self._undo(float("inf"))
            self.scene.driver.kill()
            self.scene.driver.wait()
            self.log.close()
        self.result.seconds = time.monotonic() - began
        return self.result

    def _pause(self) -> float:
        return random.uniform(0.3 * self.gap, 1.7 * self.gap)

    def _give(self, command: list[str]) -> "subprocess.Popen[bytes]":
        self.result.commands += 1
        self._note(f"command {self.result.commands}")
        return subprocess.Popen(
            command, cwd=self.repository.folder, env=environment(), stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip

    def _note(self, text: str) -> None:
        line = f"=== {time.strftime('%H:%M:%S')} {text}"
        print(line, flush=True)
        self.log.write(f"{line}\n".encode())
        self.log.flush()

    def _ended(self) -> bool:
        """Whether the study is done; repeats its command if it ended in an error."""
        code = self.scene.driver.poll()
        if code is None:
            return False
        if code == 0:
            self._note("study done")
            return True
        self.result.errors.append(str(code))
        self._note(f"Snakemake ended with {code}")
        if self.result.commands > 25:
            raise RuntimeError(f"25 commands were not enough; see {self.log.name}")
        self._undo(float("inf"))  # as a user would clear the disk before trying again
        self.scene.driver = self._give(self.scene.command)
        return False

    def _undo(self, now: float) -> None:
        for hit in [hit for hit in self.pending if hit.after <= now]:
            assert hit.undo is not None
            hit.undo()
            self.pending.remove(hit)

    def _disturb(self, seconds: float) -> bool:
        """Inject a fault of the first queued kind that can hit something; whether one did."""
        if not self.waiting:
            self.waiting = next(self.rounds)
        for kind in self.waiting:
            hit = KINDS[kind](self.scene) if self.scene.driver.poll() is None else None
            if hit is not None:
                self._note(f"fault {kind}: {hit.what} {hit.job}")
                self.result.faults.append(Fault(kind, seconds, hit))
                self.waiting.remove(kind)
                if hit.undo is not None:
                    hit.after += time.monotonic()
                    self.pending.append(hit)
                return True
        return False


def outcomes(result: Disturbed, where: Cluster, repository: Repository) -> None:
    """Note for each fault what happened to the job that it hit."""
    ended = where.ended()
    said = (repository.folder / "driver.log").read_text(errors="replace")
    sent = re.findall(r"Job (\S+) has been submitted with SLURM jobid (\d+)", said)
    for fault in result.faults:
        parts = []
        if fault.hit.job:
            parts.append("SLURM: " + ", then ".join(ended.get(fault.hit.job, ["?"])).lower())
            again = _sent_after(sent, fault.hit.job)
            if again:
                parts.append(f"sent again as {', '.join(again)}")
        steps = _resumed(repository, fault.hit.log)
        if steps:
            parts.append(f"resumed from step {', '.join(map(str, steps))}")
        kept = _kept(repository, fault.hit.log)
        if kept:
            parts.append(f"{kept} cells kept")
        if fault.kind.startswith("driver"):
            parts.append("command given again")
        fault.outcome = "; ".join(parts) or "the study went on"


def _sent_after(sent: list[tuple[str, str]], job: str) -> list[str]:
    """SLURM ids under which Snakemake sent a SLURM job's work after it."""
    names = {name for name, number in sent if number == job}
    later = {number for name, number in sent if name in names and int(number) > int(job)}
    return sorted(later, key=int)


def _resumed(repository: Repository, log: str) -> list[int]:
    """Steps from which the training of a log was resumed."""
    rule, _, rest = log.removesuffix(".log").partition("/")
    folder = results_of(repository) / rest
    file = (folder / "checkpoint" if rule == "pretrain" else folder) / "metrics.json"
    if rule not in ("pretrain", "tune") or not file.is_file():
        return []
    metrics = json.loads(file.read_text())
    return [s for part in metrics.get("stages", [metrics]) for s in part["resumed_from"]]


def _kept(repository: Repository, log: str) -> int:
    """How many cells the last evaluation of a variant found made."""
    file = results_of(repository) / "logs" / log
    if not log.startswith("evaluate/") or not file.is_file():
        return 0
    variant = log.removeprefix("evaluate/").removesuffix(".log")
    cells = len(list((results_of(repository) / variant).rglob("*.parquet")))
    return cells - file.read_text(errors="replace").count(CELL)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Make a folder a small file system of its own in the block."""
    folder.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder))
    try:
        yield
    finally:
        # Kept for inspection.
        run("cp", "-a", str(folder), str(folder.with_name("results_copy")), check=False)
        run("umount", "--lazy", str(folder))


def disturbed(
    where: Cluster,
    folder: Path,
    undisturbed: Repository,
    kinds: Iterator[list[str]],
    *,
    faults: int,
    seed: int,
    gap: float,
) -> Disturbed:
    """Run the study in a new repository in `folder` with faults, and compare its tables."""
    with small_disk(folder / "results"):
        repository = undisturbed.copy(folder, results=False)
        result = Campaign(where, repository, kinds, seed=seed, gap=gap).run(faults)
        outcomes(result, where, repository)
        expected, found = tables(undisturbed), tables(repository)
        names = sorted(expected.keys() | found.keys())
        result.differing = [n for n in names if expected.get(n) != found.get(n)]
        result.planned = repository.planned()
    return result


def markdown(results: list[Disturbed]) -> str:
    """The table of faults and outcomes."""
    lines = ["| study | at | fault | hit | what became of it |", "|---|---|---|---|---|"]
    for number, result in enumerate(results, 1):
        for fault in result.faults:
            name = fault.kind.replace("_", " ")
            hit = f"{fault.hit.what} (job {fault.hit.job})" if fault.hit.job else fault.hit.what
            lines.append(f"| {number} | {fault.seconds:.0f} s | {name} | {hit} | {fault.outcome} |")
    lines.append("")
    for number, result in enumerate(results, 1):
        same = f"differ: {result.differing}" if result.differing else "the same bytes"
        lines.append(
            f"Study {number}: {len(result.faults)} faults, {result.seconds:.0f} s, the command "
            f"given {result.commands} times (ended with {', '.join(result.errors) or 'no error'}); "
            f"tables: {same}; left to do: {result.planned or 'nothing'}."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run studies until enough faults were injected; exit 1 if one was not survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--config", default=CONFIG, help="the study")
    parser.add_argument("--per-study", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gap", type=float, default=15.0, help="mean seconds between faults")
    parser.add_argument("--kinds", help="only these, separated by commas")
    parser.add_argument("--expected", type=Path, help="repository of an undisturbed run, to reuse")
    given = parser.parse_args()
    folder = given.folder.resolve()
    random.seed(given.seed)
    if given.expected:
        undisturbed = Repository(given.expected.resolve(), given.config)
    else:
        undisturbed = clone(folder / "undisturbed", given.config)
        undisturbed.succeed()
    kinds = (
        (given.kinds.split(",") for _ in count())
        if given.kinds
        else rounds(random.Random(given.seed))
    )
    results: list[Disturbed] = []
    with cluster(folder / "cluster") as where:
        while sum(len(result.faults) for result in results) < given.faults:
            left = given.faults - sum(len(result.faults) for result in results)
            number = len(results) + 1
            results.append(
                disturbed(
                    where,
                    folder / f"study{number}",
                    undisturbed,
                    kinds,
                    faults=min(left, given.per_study),
                    seed=given.seed + number,
                    gap=given.gap,
                )
            )
            (folder / "campaign.md").write_text(markdown(results))
            print(markdown(results[-1:]), flush=True)
    sys.exit(not all(result.whole for result in results))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is stopped
    os.chdir(Path(__file__).resolve().parents[2])
    main()
