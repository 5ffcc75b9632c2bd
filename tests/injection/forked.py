"""A job's script run again and again with faults, each time in a process forked from this one.

    LD_PRELOAD=shim.so FAULTS_ROOT=results/STUDY/ python forked.py SCRIPT SETTINGS

SCRIPT is one that Snakemake wrote for a job; the working folder is its repository. SETTINGS is a
JSON file: `study`, `snapshot` (a copy of the study's results as the job finds them), `outcomes` (a
file with a line per fault), `row` (further columns of each line), `sample` and `seed`.

Libraries take seconds to import and a job of a tiny study takes a fraction of one, so this process
imports what the job does and forks for each fault. Then the same job follows without faults, as
the same command would have it done; Snakemake itself takes no part (tests/workflow/test_faults.py).
"""

import ctypes
import importlib
import json
import os
import random
import runpy
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "workflow")]
sys.path.insert(0, str(Path("workflow/scripts").resolve()))

from repository import Repository  # noqa: E402

import tuning_dynamics.identity.job  # noqa: E402
from injection.faults import (  # noqa: E402
    CLOCKED,
    ERRORS,
    RAW,
    Reference,
    Request,
    Scene,
    differing,
    nameless,
    requests,
)
from tuning_dynamics.common.atomic_files import sweep  # noqa: E402
from tuning_dynamics.common.job_log import DRIVER, this_process  # noqa: E402

#: No fault.
NOTHING = (0, "none")


class Forked:
    """A job of a study in the working folder."""

    def __init__(self, script: str, asked_for: dict[str, Any]) -> None:
        self.script, self.snapshot = script, Path(asked_for["snapshot"])
        self.work = self.snapshot.parent
        self.scene = Scene(Repository(Path.cwd()), asked_for["study"], Path())
        self.arm = ctypes.CDLL(os.environ["LD_PRELOAD"]).faults_arm

    def run(self, number: int, what: str) -> int:
        """The job in a process of its own, with a fault; how that ended, as from os.wait."""
        process = os.fork()
        if process:
            return os.waitpid(process, 0)[1]
        code = 1
        try:
            said = os.open(self.work / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.argv = [self.script]
            self.arm(number, ERRORS.get(what, what).encode())
            code = self._run()
        finally:
            os._exit(code)

    def _run(self) -> int:
        try:
            with patch.object(tuning_dynamics.identity.job, "leave"):
                runpy.run_path(self.script, run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0)
        except BaseException:  # what the interpreter does with it at its end
            traceback.print_exc()
            return 1
        finally:
            with suppress(OSError):
                (self.work / "modules.json").write_text(json.dumps(list(sys.modules)))
        return 0

    def begin(self) -> None:
        """Restore the study as the job finds it, without logs."""
        shutil.rmtree(self.scene.results)
        subprocess.run(["cp", "-a", str(self.snapshot), str(self.scene.results)], check=True)
        (self.work / "said.txt").unlink(missing_ok=True)

    def import_all(self) -> None:
        """Import what the job did."""
        self.begin()
        assert self.run(*NOTHING) == 0, (self.work / "said.txt").read_text()
        for name in json.loads((self.work / "modules.json").read_text()):
            with suppress(Exception):  # one that only its package may import
                importlib.import_module(name)

    def clean(self) -> tuple[Reference, list[Request]]:
        """What the job makes without faults, and its requests."""
        log = self.work / "requests.log"
        found = []
        for _ in range(2):
            self.begin()
            log.unlink(missing_ok=True)
            os.environ["FAULTS_LOG"] = str(log)
            assert self.run(*NOTHING) == 0, (self.work / "said.txt").read_text()
            del os.environ["FAULTS_LOG"]
            self.run(*NOTHING)
            found.append(self.scene.contents())
        first, second = found
        assert sorted(first) == sorted(second)
        other = {name for name in first if first[name] != second[name]}
        volatile = other | {name for name in first if any(part in name for part in CLOCKED)}
        (asked,) = requests(log).values()
        return Reference(first, frozenset(volatile), {}), asked

    def wrong(self, number: int, what: str, clean: Reference) -> list[str]:
        """What is wrong after a fault and the same job without one."""
        self.begin()
        log = self.work / "requests.log"
        log.unlink()
        os.environ["FAULTS_LOG"] = str(log)
        self.run(number, what)
        del os.environ["FAULTS_LOG"]
        missed = not any(line.endswith("\there") for line in log.read_text().splitlines())
        raw = self.scene.raw()
        sweep(str(self.scene.results))  # as at the beginning and end of a run
        again = self.run(*NOTHING)
        sweep(str(self.scene.results))
        said = (self.work / "said.txt").read_text(errors="replace")
        found = self.scene.contents()
        wrong = ["the fault was not reached"] if missed else []
        wrong += [f"a raw traceback in {log}" for log in {*raw, *self.scene.raw()}]
        wrong += ["a raw traceback on the terminal"] if RAW in said else []
        wrong += [f"the same job fails: {said[-1000:]}"] if again else []
        return wrong + differing(sorted({*found, *clean.files}), found, clean)


def faults_at(asked: list[Request], sample: int, seed: str) -> Iterator[tuple[Request, str]]:
    """Each request with every fault at it; or a sample of this many."""
    every = [(one, what) for one in asked for what in (*ERRORS, "before")]
    every.append((asked[-1], "after"))  # after any other is before the next
    yield from random.Random(seed).sample(every, sample) if 0 < sample < len(every) else every


def main(script: str, file: str) -> None:
    """Inject all faults without an outcome yet."""
    asked_for = json.loads(Path(file).read_text(encoding="utf-8"))
    os.environ[DRIVER] = this_process()
    job, outcomes = Forked(script, asked_for), Path(asked_for["outcomes"])
    job.import_all()
    clean, asked = job.clean()
    rows = map(json.loads, outcomes.read_text().splitlines() if outcomes.exists() else [])
    done = {(row["number"], row["what"]) for row in rows if asked_for["row"].items() <= row.items()}
    faults = list(faults_at(asked, asked_for["sample"], f"{asked_for['seed']} {asked_for['row']}"))
    print(f"{asked_for['row']}: {len(asked)} requests, {len(faults)} faults", flush=True)
    print(f"  other bytes in each run: {', '.join(sorted(clean.volatile)[:12])}", flush=True)
    for request, what in faults:
        if (request.number, what) in done:
            continue
        wrong = job.wrong(request.number, what, clean)
        place = f"{request.what} {nameless(request.path)}"
        row = {**asked_for["row"], "number": request.number, "what": what, "at": place}
        with outcomes.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**row, "wrong": wrong} if wrong else row) + "\n")
        for line in wrong:
            print(f"  {request.number} {what} at {place}: {line}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
