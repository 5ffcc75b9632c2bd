"""Mutated files and rows of every reader: is anything read that a strict reading does not give?

    python benchmarks/fuzz.py [--examples 20000] [--readers CSV,parquet] [--seed 1]
        [--processes 2] [--out benchmarks/results/fuzz.json]

An example is a file or a row, made and mutated from the seed: bits, encodings, separators, quotes,
line ends, keys given twice, values of other types (tests/fuzzing). It must end with what json, csv,
pyarrow or yaml give when they read it strictly, or with an error for people: on one screen, with
file and fix. Outcomes are counted; `refused, more strictly` is what a strict reading would give and
the project refuses all the same, such as two rows that a stray pair of quotes would make one. A
traceback, or a value too many, ends that reader, and is shown with the smallest example that has
it. The same command continues with the readers that --out has no outcomes of.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
import traceback
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("workflow/scripts", "tests", "tests/helpers")]

from fuzzing.cases import CASES, run  # noqa: E402


def main() -> None:
    """Run the readers that the command line names, and write what was counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=20_000, help="examples of each reader")
    parser.add_argument("--readers", default=",".join(CASES), help="readers, by name")
    parser.add_argument("--seed", type=int, default=1, help="seed of the examples")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="readers at a time")
    parser.add_argument("--out", type=Path, help="JSON file of the outcomes; it is continued")
    arguments = parser.parse_args()
    settings = {"seed": arguments.seed, "examples_per_reader": arguments.examples}
    found = former(arguments.out, settings)
    names = [name for name in arguments.readers.split(",") if name not in found]
    count = partial(outcomes_of, examples=arguments.examples, seed=arguments.seed)
    # A process for each reader: one that dies of a damaged file is not taken for an outcome.
    spawned = multiprocessing.get_context("spawn").Pool(arguments.processes, maxtasksperchild=1)
    with spawned as pool:
        for name, counts in pool.imap_unordered(count, names):
            found[name] = counts
            write(arguments.out, settings, found)
    if any("wrong" in counts for counts in found.values()):
        raise SystemExit(1)


def former(path: Path | None, settings: dict[str, int]) -> dict[str, dict[str, int]]:
    """The outcomes of an earlier run with the same settings."""
    if path is None or not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    same = all(document[name] == value for name, value in settings.items())
    return dict(document["readers"]) if same else {}


def write(path: Path | None, settings: dict[str, int], found: dict[str, dict[str, int]]) -> None:
    """Write what was counted of the readers that are done, in their order."""
    readers = {name: found[name] for name in CASES if name in found}
    examples = sum(sum(counts.values()) for counts in found.values())
    document = {"machine": platform.machine(), **settings, "examples": examples, "readers": readers}
    if path is not None:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def outcomes_of(name: str, examples: int, seed: int) -> tuple[str, dict[str, int]]:
    """A reader's name and its outcomes."""
    began = time.monotonic()
    try:
        outcomes = run(name, examples, seed)
    except Exception:
        # Whatever a reader raises is a finding, and the other readers have theirs.
        traceback.print_exc()
        outcomes = {"wrong": 1}
    print(f"{name}: {outcomes}, {time.monotonic() - began:.0f} s", flush=True)
    return name, outcomes


if __name__ == "__main__":
    main()
