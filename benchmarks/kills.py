"""Kills at random moments of a study: their cost, and whether the same command ends the same.

    python benchmarks/kills.py FOLDER [--kills 30] [--seed 1] [--out benchmarks/results/kills.json]

A study of tiny models runs once undisturbed in FOLDER, and then again and again, killed some times
each: Snakemake alone, Snakemake with its jobs, or one of its jobs (SIGKILL or SIGTERM), when a
process of a stub drawn at random has done a share drawn at random of its work. After a kill the
same command is given at once. What was recorded as finished when it was killed must not be made
again, at most one cell of an evaluation may be there and not be recorded, and at the end weights,
cells and tables (but the table of seconds) must be the undisturbed run's, byte for byte, with
nothing left half-written.

FOLDER/trials.jsonl grows by a line a study; the same command goes on from it. Linux only.
"""

import argparse
import json
import platform
import random
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / p) for p in ("tests", "tests/helpers", "tests/workflow")]

from kills import Moment, Run, contents, hold, leftovers, work_of  # noqa: E402
from repository import Repository, clone  # noqa: E402

STUDY, NAME = "tests/smoke/short.yaml", "short"
#: All tables but that of seconds.
TARGETS = tuple(
    f"results/{NAME}/tables/{name}.csv"
    for name in ("scores", "changes", "checkpoints", "datasets", "transfer", "findings")
)
#: How often each stub is drawn, in the order in which jobs run; "" is Snakemake itself.
STUBS = {
    "": 2,
    "data_freeze": 1,
    "checkpoints_corpus": 1,
    "checkpoints_pretrain": 2,
    "data_encode": 1,
    "tune_variant": 2,
    "evaluate_variant": 4,
    "stats_scores": 1,
    "stats_summaries": 1,
}
WHATS = ("Snakemake", "Snakemake and its jobs", "job SIGKILL", "job SIGTERM")
#: Kills of one study, and the share of a stub's work that they come after: more than all of it is
#: between a job's end and Snakemake's notice of it.
PER_STUDY, MOST = 5, 1.1


@dataclass
class Kill:
    """A kill that was drawn, and what came of it."""

    what: str
    stub: str
    seconds: float
    hit: bool = False
    left_behind: list[str] = field(default_factory=list)
    recorded: int = 0
    unrecorded_cells: int = 0
    wrong: list[str] = field(default_factory=list)


def drawn(draw: random.Random, work: dict[str, float]) -> list[Kill]:
    """The kills of a study, in the order in which their jobs run."""
    stubs = draw.choices(list(STUBS), list(STUBS.values()), k=PER_STUDY)
    order = {stub: number for number, stub in enumerate(STUBS)}
    return [
        Kill(draw.choice(WHATS if stub else WHATS[:2]), stub, draw.uniform(0, MOST) * work[stub])
        for stub in sorted(stubs, key=order.__getitem__)
    ]


def strike(run: Run, kill: Kill, held: Path) -> Any:
    """Kill, and hold what was made; a job that has just ended is not hit."""
    if kill.what.startswith("job"):
        number = signal.SIGKILL if kill.what.endswith("SIGKILL") else signal.SIGTERM
        kill.hit = run.signal_job(kill.stub, number)
    else:
        before = run.processes()
        (run.kill_driver if kill.what == "Snakemake" else run.kill_all)()
        kill.hit = True
        if kill.what == "Snakemake":
            kill.left_behind = sorted(process.stub for process in before if process.stub)
    found = hold(run.repository, NAME, held)
    kill.recorded = len(found.made)
    kill.unrecorded_cells = max(found.unrecorded.values(), default=0)
    if kill.unrecorded_cells > 1:
        kill.wrong.append(f"cells there and not recorded: {found.unrecorded}")
    return found


def after(run: Run, kill: Kill) -> None:
    """What the command does after a kill: one that lost a job ends with an error of its own."""
    run.wait(lambda _: False)
    if kill.what.startswith("job") and kill.hit and run.process.returncode == 0:
        kill.wrong.append("a job was killed, and Snakemake ended well")
    logs = (run.repository.folder / "results" / NAME / "logs").rglob("*.log")
    kill.wrong += [f"traceback in {path}" for path in logs if "Traceback" in path.read_text()]


def trial(folder: Path, number: int, seed: int, clean: Repository, work: Any) -> dict[str, Any]:
    """A study with its kills, and what is wrong at its end."""
    shutil.rmtree(folder, ignore_errors=True)
    repository = clean.copy(folder, results=False)
    kills = drawn(random.Random(f"{seed} {number}"), work)
    held = []
    waited = done_already = 0
    for place, kill in enumerate(kills):
        run = Run(repository, TARGETS)
        if run.wait(Moment(kill.stub, kill.seconds)):
            held.append((kill, strike(run, kill, folder / "held" / str(place))))
        after(run, kill)
        waited += "Waiting for jobs" in run.said
        done_already += found_done(repository)
    last = Run(repository, TARGETS)
    last.wait(lambda _: False)
    waited += "Waiting for jobs" in last.said
    done_already += found_done(repository)
    for kill, found in held:
        kill.wrong += [f"made again: {path}" for path in found.made_again()]
    return {
        "trial": number,
        "kills": [asdict(kill) for kill in kills],
        "waited": waited,
        "found_done": done_already,
        "wrong": wrong_at_end(last, repository, clean),
    }


def found_done(repository: Repository) -> int:
    """Planned jobs whose work a left-behind job had already done."""
    logs = (repository.folder / "results" / NAME / "logs").rglob("*.log")
    return sum("current: nothing to make" in path.read_text() for path in logs)


def wrong_at_end(last: Run, repository: Repository, clean: Repository) -> list[str]:
    """Differences from the undisturbed run."""
    wrong = [] if last.process.returncode == 0 else [f"the last command: {last.said[-2000:]}"]
    expected, found = contents(clean, NAME), contents(repository, NAME)
    names = sorted(expected.keys() | found.keys())
    wrong += [f"other bytes: {name}" for name in names if expected.get(name) != found.get(name)]
    wrong += [f"left: {path}" for path in leftovers(repository, NAME)]
    planned = repository.planned(*TARGETS)
    return [*wrong, *([f"left to do: {planned}"] if planned else [])]


def undisturbed(folder: Path) -> tuple[Repository, dict[str, float]]:
    """The study without kills, and the work of each of its stubs; reused if it exists."""
    path = folder / "work.json"
    if path.exists():
        return Repository(folder / "clean", STUDY), json.loads(path.read_text())
    shutil.rmtree(folder / "clean", ignore_errors=True)
    repository = clone(folder / "clean", STUDY)
    work = work_of(Run(repository, TARGETS))
    path.write_text(json.dumps(work))
    return repository, work


def summary(trials: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Counts of kills, and all that is wrong."""
    kills = [kill for found in trials for kill in found["kills"] if kill["hit"]]
    return {
        "machine": platform.machine(),
        "seed": seed,
        "studies": len(trials),
        "kills": len(kills),
        "by_what": dict(Counter(kill["what"] for kill in kills)),
        "by_stub": dict(Counter(kill["stub"] or "snakemake" for kill in kills)),
        "left_behind": sum(len(kill["left_behind"]) for kill in kills),
        "waited_for_them": sum(found["waited"] for found in trials),
        "found_done_by_them": sum(found["found_done"] for found in trials),
        "most_unrecorded_cells": max(kill["unrecorded_cells"] for kill in kills),
        "wrong": [
            {"trial": found["trial"], "wrong": wrong_in(found)}
            for found in trials
            if wrong_in(found)
        ],
    }


def wrong_in(found: dict[str, Any]) -> list[str]:
    """What was wrong after the kills of a study, and at its end."""
    return [*(text for kill in found["kills"] for text in kill["wrong"]), *found["wrong"]]


def main() -> None:
    """Kill studies until there were enough kills; fail if one was not survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    clean, work = undisturbed(folder)
    path = folder / "trials.jsonl"
    trials = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    while sum(kill["hit"] for found in trials for kill in found["kills"]) < given.kills:
        began = time.monotonic()
        trials.append(trial(folder / "study", len(trials), given.seed, clean, work))
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(trials[-1]) + "\n")
        print(f"{time.monotonic() - began:.0f} s {json.dumps(trials[-1], indent=1)}", flush=True)
    found = summary(trials, given.seed)
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["wrong"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
