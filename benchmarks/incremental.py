"""Whether a study that is edited and run again has the tables that a fresh run has.

    python benchmarks/incremental.py --folder FOLDER [--seed 1] [--planned 300] [--real 25]
        [--jobs 2] [--only TEXT …] [--root CHECKOUT] [--parent] [--out FILE]

A study of tiny models (tests/edited) is finished and edited, singly and in pairs, and the plan of
a dry run is compared with the one written by hand (tests/edited/edits); for some edits the command
runs once, and tables, figures and cells are compared with those of a fresh run of the same files
in a new folder. FOLDER keeps finished cases, so that the same command continues where it was
stopped; FOLDER/output has the output of each case's commands, and FOLDER/fresh the tables of fresh
runs. --only runs the cases whose names begin with a text, --root those of another checkout, and
--parent writes the result next to that of --out, as that of the previous commit. Exits with 1
if anything is wrong.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / p) for p in ("workflow/scripts", "tests", "tests/helpers", "tests/workflow")
]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hub.server import Hub  # noqa: E402
from incremental_study.cases import KINDS, Case, cases  # noqa: E402
from incremental_study.places import FreshRuns, Place, sources  # noqa: E402
from incremental_study.trials import trial  # noqa: E402

from tuning_dynamics.common.atomic_files import read_json, write_json  # noqa: E402

OUT = ROOT / "benchmarks" / "results" / "incremental.json"


class Record:
    """The outcomes, a JSON line per case, in a file that a later run continues.

    SystemExit if the folder is of another commit: its finished studies would be too.
    """

    def __init__(self, folder: Path, commit: str) -> None:
        self.path, self.commit = folder / "cases.jsonl", commit
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        self.rows = {row["case"]: row for row in map(json.loads, lines)}
        others = {row["commit"] for row in self.rows.values()} - {commit}
        if others:
            raise SystemExit(f"{folder} is of commit {', '.join(others)}: give another --folder")

    def add(self, case: Case, seconds: float, wrong: list[str]) -> None:
        """Note a case that was tried."""
        facts = {"case": case.name, "kind": case.kind, "seconds": round(seconds, 1)}
        row: dict[str, Any] = {"commit": self.commit, **facts, "wrong": wrong}
        self.rows[case.name] = row
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(row)}\n")


def run(options: argparse.Namespace, wanted: list[Case], record: Record) -> None:
    """Try the cases that were not tried yet, in as many places as asked for."""
    folder = options.folder
    (folder / "output").mkdir(exist_ok=True)
    made = sources(folder / "sources")
    with Hub(made / "hub") as hub:
        fresh = FreshRuns(folder / "fresh", hub)
        free: SimpleQueue[Place] = SimpleQueue()

        def prepare(number: int) -> None:
            place = Place(folder / f"place{number}", options.root, made, hub)
            outcome = place.prepare()
            fresh.know(place.begin(), outcome)
            free.put(place)

        def one(case: Case) -> None:
            place, began = free.get(), time.monotonic()
            output = folder / "output" / f"{case.name.replace('/', '_')}.txt"
            try:
                wrong = trial(case, place, fresh, output)
            finally:
                free.put(place)
            record.add(case, time.monotonic() - began, wrong)
            print(f"{case.name}: {'; '.join(wrong) or 'right'}", flush=True)

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(prepare, range(options.jobs)))
            list(pool.map(one, [case for case in wanted if case.name not in record.rows]))


def summary(options: argparse.Namespace, wanted: list[Case], record: Record) -> dict[str, Any]:
    """Summary of all cases: counts by kind, and counts of each kind of error."""
    rows = [record.rows[case.name] for case in wanted]
    counts = {
        kind: {"cases": len(own), **_wrong(own)}
        for kind in KINDS
        if (own := [row for row in rows if row["kind"] == kind])
    }
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "commit": record.commit,
        "seed": options.seed,
        "counts": counts,
        "failures": {row["case"]: row["wrong"] for row in rows if row["wrong"]},
    }


def _wrong(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many cases have each kind of error, which is the beginning of its line."""
    kinds = Counter(kind for row in rows for kind in {line.split(":")[0] for line in row["wrong"]})
    return {"right": sum(not row["wrong"] for row in rows), **dict(sorted(kinds.items()))}


def commit_of(root: Path) -> str:
    """The commit of a checkout, and whether it has been changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Try the cases, print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planned", type=int, default=300)
    parser.add_argument("--real", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--parent", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    drawn = cases(options.seed, options.planned, options.real)
    wanted = [case for case in drawn if case.name.startswith(tuple(options.only))]
    record = Record(options.folder, commit_of(options.root.resolve()))
    run(options, wanted, record)
    found = summary(options, wanted, record)
    before = read_json(options.out) if options.out.is_file() else {}
    if options.parent:
        write_json(options.out, {**before, "parent": found})
    else:
        write_json(options.out, {**found, "parent": before.get("parent", {})})
    print(json.dumps(found["counts"], indent=1))
    return int(bool(found["failures"]))


if __name__ == "__main__":
    sys.exit(main())
