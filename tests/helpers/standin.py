"""A job without Snakemake: what its stub sees of it, planned as in a run."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import tuning_dynamics.identity.job
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.identity.job import Job, Planned, named_files, running, write_plan
from tuning_dynamics.identity.units import JobView

#: Stubs and a package.
FILES = {
    "make.py": "from pack.work import compute\n\ncompute()\n",
    "evaluate.py": "from pack.work import compute\n\ncompute()\n",
    "pack/__init__.py": "",
    "pack/work.py": '''
RATE = 1


def compute():
    """The rate."""
    return RATE


def unused():
    return 2
''',
}

RUN = "run1"
ENVIRONMENT = "envs/x.yaml"


class JobCode:
    """The code of the jobs of a test, below its working folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")

    def edit(self, before: str, after: str, name: str = "pack/work.py") -> None:
        """Change a text of a file."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert before in text
        (self.root / name).write_text(text.replace(before, after), encoding="utf-8")


class Named(list[Any]):
    """Values by name, as Snakemake has them: a list is a value too, its members are in a row."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        rows = (value if isinstance(value, list) else [value] for value in values.values())
        super().__init__(member for row in rows for member in row)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names and values."""
        yield from self.values.items()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __str__(self) -> str:
        return " ".join(map(str, self))


class StandIn:
    """A job of a rule in the study `s`, as its stub sees it."""

    def __init__(
        self,
        rule: str,
        wildcards: dict[str, str],
        stub: str,
        *,
        inputs: dict[str, Any],
        outputs: dict[str, Any],
        params: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        self.rule, self.wildcards, self.stub = rule, Named(**wildcards), stub
        self.input, self.output, self.params = Named(**inputs), Named(**outputs), Named(**params)
        self.config = config or {}
        self.resources: dict[str, int] = {}
        self.log = Named(log=Paths("s").log(rule, *wildcards.values()))
        Path(self.log[0]).parent.mkdir(parents=True, exist_ok=True)

    @property
    def view(self) -> JobView:
        """The job's view for `identity`."""
        names = tuple(map(str, self.wildcards))
        inputs, outputs = named_files(self.input), list(map(str, self.output))
        return JobView(self.rule, names, self.stub, self.params.values, inputs, outputs)

    @property
    def record(self) -> str:
        """The path of its record."""
        return Paths("s").record(self.view.name)

    def planned(self, *sources: "StandIn", forced: bool = False) -> Planned:
        """A run's plan of it, after other jobs."""
        names = [source.view.name for source in sources]
        return Planned(self.stub, self.view.planned(), ENVIRONMENT, forced, names)

    def log_text(self) -> str:
        """What it printed."""
        return Path(self.log[0]).read_text(encoding="utf-8")


def plan(
    jobs: dict[StandIn, Planned], run: str = RUN, versions: dict[str, str] | None = None
) -> None:
    """Write the plan of a run for jobs in the working folder."""
    plans = {job.view.name: planned for job, planned in jobs.items()}
    write_plan(Paths("s").planned, run, plans, {ENVIRONMENT: versions or {}})


@contextmanager
def started(job: StandIn) -> Iterator[Job]:
    """A job that runs in this process, whose output is restored once the job has ended."""
    streams = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        # What is printed goes where the stream 1 goes, whatever the tests have in its place.
        with (
            open(1, "w", closefd=False, buffering=1) as printed,
            redirect_stdout(printed),
            patch.object(tuning_dynamics.identity.job, "leave"),
            running(job) as own,
        ):
            yield own
    finally:
        for stream, kept in streams.items():
            os.dup2(kept, stream)
            os.close(kept)


def make(job: StandIn, *sources: StandIn, text: str = "", run: str = RUN) -> list[str]:
    """Plan a job and run it: it writes its output's path and `text`. Returns what it made."""
    plan({job: job.planned(*sources)}, run)
    return run_planned(job, lambda path: json.dumps([path, text]))


def run_planned(job: StandIn, content: Callable[[str], str]) -> list[str]:
    """Run a planned job; return what it made. `content` maps a path to what is written there."""
    with started(job) as own:
        names = [name for unit in own.due for name in unit.outputs]
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(content(name), encoding="utf-8")
    return names


def failed(job: StandIn) -> str:
    """The text of a job that ends with an error."""
    with pytest.raises(SystemExit, match=r"^1$"):
        run_planned(job, str)
    return job.log_text()
