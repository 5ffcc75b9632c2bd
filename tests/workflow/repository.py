"""Copies of the repository in which tests run the workflow as a user would."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("Snakefile", "workflow", "config", "profiles", "envs"),
    *("tests/catalogue", "tests/smoke", "tests/hub", "tests/slurm", "slurm", "own"),
    ".snakemake/code.json",  # what earlier runs know of the code: less time, no other plan
)


@dataclass(frozen=True)
class Repository:
    """A copy of the repository; `study` is the config file that its runs take.

    `variables` are set in their environment.
    """

    folder: Path
    study: str = "tests/smoke/study.yaml"
    variables: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """The command line of a Snakemake run."""
        base = [sys.executable, "-m", "snakemake", "--configfile", self.study, "--cores", "2"]
        return [*base, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake and capture what it says, errors included."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**environment(), **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1800,
        )

    def succeed(self, *arguments: str) -> str:
        """Run Snakemake, and fail the test with its output unless it succeeds."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def planned(self, *arguments: str) -> Counter[str]:
        """Jobs by stage that a dry run would run; `all`, which does nothing, left out."""
        return stages(self.succeed("-n", *arguments))

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text that must be there once."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file}: {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def copy(self, folder: Path, *, results: bool = True) -> "Repository":
        """A copy in a new folder, every file with a new modification time."""
        for part in (*PARTS, *(("results",) if results else ())):
            source = self.folder / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".lock", "*.sif")
                shutil.copytree(
                    source, folder / part, copy_function=shutil.copyfile, ignore=ignored
                )
            elif source.is_file():
                (folder / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, folder / part)
        return Repository(folder, self.study, self.variables)


def stages(dry_run: str) -> Counter[str]:
    """Jobs by stage of what a dry run says: by rule, and all rules that evaluate as one."""
    table = re.search(r"^Job stats:\njob +count\n-+ +-+\n(.*?)^total", dry_run, re.M | re.S)
    if table is None:
        assert "Nothing to be done" in dry_run, dry_run
        return Counter()
    rows = (line.split() for line in table[1].splitlines())
    counts: Counter[str] = Counter()
    for rule, count in rows:
        counts["evaluate" if rule.startswith("evaluate_") else rule] += int(count)
    del counts["all"]
    return counts


def environment() -> dict[str, str]:
    """The tests' environment without what would change a run."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "PYTEST"))}
    return {**kept, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"}


def clone(folder: Path, study: str = "tests/smoke/study.yaml") -> Repository:
    """A fresh copy of this repository without results."""
    return Repository(ROOT, study).copy(folder, results=False)
