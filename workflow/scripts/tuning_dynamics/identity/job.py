"""A running job: which of its outputs are due, what they are made from, and their record.

A job works out its identity itself when it starts. It refuses to write if code or settings are not
the planned ones, or if inputs are not what the jobs before it made.
"""

import gc
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import file_digest, read_json, remove, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.gpus import require_gpu
from tuning_dynamics.common.job_log import RUN, leave, logged
from tuning_dynamics.common.locks import work_on
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.identity.code_digest import reached_modules, recall, spec_words
from tuning_dynamics.identity.current import Current
from tuning_dynamics.identity.file_digests import Digests, meaning
from tuning_dynamics.identity.records import Record, Unit, moment, read_record, write_record
from tuning_dynamics.identity.units import JobView, forget_code, parse_cells
from tuning_dynamics.identity.versions import installed


@dataclass(frozen=True)
class Planned:
    """What the driver planned for a job.

    `identity` is `JobView.planned`, `environment` the job's environment file, `sources` the names
    of the jobs that make its inputs; a `forced` job runs again in any case.
    """

    stub: str
    identity: str
    environment: str
    forced: bool
    sources: list[str]


def write_plan(
    path: str, run: str, jobs: dict[str, Planned], versions: dict[str, dict[str, str]]
) -> None:
    """Write the plan that the jobs of a run read; `versions` are those that each environment
    asks for, so that a job need not read its file."""
    listed = {name: vars(planned) for name, planned in jobs.items()}
    write_json(path, {"run": run, "versions": versions, "jobs": listed})


@dataclass
class Job:
    """A running job. `due` are the units to make; empty if all are current."""

    view: JobView
    path: str
    run: str
    versions: dict[str, str]
    record: Record
    due: list[Unit] = field(default_factory=list)
    forced: bool = False
    stats: dict[str, Any] = field(default_factory=dict)

    def former(self, path: str) -> Any:
        """What a JSON output held before it became due, whichever attempt this is; None if there
        was none, it was damaged, or the job is forced."""
        return None if self.forced else self.record.formers.get(path)

    @property
    def code(self) -> str:
        """Digest of the code that makes what is due."""
        return self.due[0].code

    def made(self, unit: Unit) -> None:
        """Record that a unit is made. StudyError if an input was written meanwhile."""
        self._require_unwritten()
        files = {path: _output_digest(path) for path in unit.outputs}
        unit.outputs, unit.versions, unit.run = files, self.versions, self.run
        unit.date = moment()
        self.record.units[unit.name] = unit
        for path in unit.outputs:
            self.record.formers.pop(path, None)
        write_record(self.path, self.view.name, self.record)

    def _require_unwritten(self) -> None:
        for path, before in self.stats.items():
            if _stat(path) != before:
                raise StudyError(
                    "an input was written while the job read it",
                    file=path,
                    fix="run the same command again once nothing writes it",
                )

    def begin(self) -> None:
        """Remove due units from the record and their files from their places, so that nothing uses
        them.

        Units that the study does not need now stay: it may need them again.
        """
        for unit in self.due:
            made = self.record.units.pop(unit.name, None)
            self.record.formers |= _formers(made) if made is not None else {}
        again = {unit.name for unit in self.due}
        self.record.accepted = [
            entry for entry in self.record.accepted if entry["output"] not in again
        ]
        write_record(self.path, self.view.name, self.record)
        for unit in self.due:
            if unit.settings:  # the cost of an evaluation adds up over its runs
                for path in unit.outputs:
                    remove(path)


@contextmanager
def running(snakemake: Any) -> Iterator[Job]:
    """The job of a stub; its block makes what is due, and at its end the results are recorded.

    All output goes to the job's log. The process ends with the block. StudyError, printed to the
    log, if the code or settings are not the planned ones, or an input is not what the job before
    made.
    """
    with logged(snakemake.log):
        job = _started(snakemake)
        if job.due:
            device = snakemake.config.get("execution", {}).get("device", "auto")
            require_gpu(device, int(snakemake.resources.get("gpu", 0)))
        if not job.due:
            print("current: nothing to make", flush=True)
            yield job
            return
        job.begin()
        yield job
        for unit in job.due:
            if unit.name not in job.record.units:
                job.made(unit)
        leave()


def _started(snakemake: Any) -> Job:
    recall()
    paths = Paths(Path(snakemake.log[0]).parts[1])
    work_on(paths.root)
    plan = read_json(paths.planned)
    _require_run(plan["run"])
    view = view_of(snakemake, plan)
    planned = Planned(**plan["jobs"][view.name])
    _require_planned(view, planned)
    files = [path for path in chain(*view.inputs.values()) if not Path(path).is_dir()]
    stats = {path: _stat(path) for path in files}
    digests = _verified(view, paths, planned)
    try:
        record = read_record(paths.record(view.name), view.name) or Record()
    except StudyError as error:
        print(f"{error}\nIt is done again.", flush=True)
        record = Record()
    versions = installed(plan["versions"][planned.environment], planned.environment)
    path = paths.record(view.name)
    job = Job(view, path, plan["run"], versions, record, forced=planned.forced, stats=stats)
    current = Current(paths)
    units = view.units(digests)
    stale = {unit.name for unit in units if not _current(unit, job, planned, current)}
    # The cost of an evaluation is written again with any of its cells.
    job.due = [unit for unit in units if unit.name in stale or (stale and not unit.settings)]
    if job.due:
        # The code imported now is the planned one, and none of its files is read again.
        _import_all(view)
        forget_code()
        _require_planned(view, planned)
    return job


def _require_run(run: str) -> None:
    if run != os.environ.get(RUN, run):
        raise StudyError(
            "another run works on this study, and the run that this job belongs to is gone",
            key=RUN,
            value={"this job's": os.environ[RUN], "now": run},
            fix="leave it to the other run",
        )


def _require_planned(view: JobView, planned: Planned) -> None:
    if view.planned() != planned.identity:
        raise StudyError(
            "the code or the settings of this job were changed since the run began",
            key=view.name,
            fix="run the same command again: it plans with them as they are now",
        )


def view_of(snakemake: Any, plan: dict[str, Any]) -> JobView:
    """The job of Snakemake's object in a script; StudyError where the run did not plan it."""
    rule, wildcards = snakemake.rule, tuple(str(value) for value in snakemake.wildcards)
    view = JobView(
        rule,
        wildcards,
        "",
        dict(snakemake.params.items()),
        named_files(snakemake.input),
        [str(path) for path in snakemake.output],
    )
    if view.name not in plan["jobs"]:
        raise StudyError(
            "the run that works on this study did not plan the job",
            key=view.name,
            fix="run the same command again",
        )
    return JobView(**{**vars(view), "stub": plan["jobs"][view.name]["stub"]})


def named_files(files: Any) -> dict[str, list[str]]:
    """Snakemake's input or output as lists of paths by name; all of a rule's inputs have a name."""
    return {
        name: [str(value)] if isinstance(value, str) else [str(path) for path in value]
        for name, value in files.items()
    }


def _import_all(view: JobView) -> None:
    """Import all code of the job now, so that an edit of a file cannot mix into it later."""
    texts = [entry["spec"] for entry in parse_cells(view.params["cells"])] if _cells(view) else []
    words = spec_words(json.dumps({**view.params, "cells": texts}))
    with _no_gc():
        for module in reached_modules(view.stub, words):
            importlib.import_module(module)


@contextmanager
def _no_gc() -> Iterator[None]:
    """Disable garbage collection in the block, and exempt the objects made there from later
    collections: libraries make 600,000 lasting objects, which take 0.7 s of a start's 3.8."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _cells(view: JobView) -> bool:
    return "cells" in view.params


def _verified(view: JobView, paths: Paths, planned: Planned) -> Any:
    """A function that gives the digest of an input's content; each input is verified here.

    StudyError if a file is not what the job that made it recorded.
    """
    made: dict[str, str] = {}
    for source in planned.sources:
        record = read_record(paths.record(source), source)
        made |= record.digests if record else {}
    digests, found = Digests(), {}
    for path in {path for files in view.inputs.values() for path in files}:
        if Path(path).is_dir():
            continue  # a manifest lists its content
        digest = digests.of(path)
        if digest is None or made.get(path, digest) != digest:
            raise StudyError(
                "a file is gone, or not what the job before made (damaged, or changed by hand)",
                file=path,
                fix="run the same command again: it is made again",
            )
        found[path] = meaning(path, digest, view.rule)
    return found.get


def _current(unit: Unit, job: Job, planned: Planned, current: Current) -> bool:
    """Whether a unit exists as it would be made now; a forced one only if this run made it."""
    made = job.record.units.get(unit.name)
    if made is None or (planned.forced and made.run != job.run):
        return False
    if current.changes(job.view.name, made, unit) is not None:
        return False
    return all(_as_made(path, digest, made) for path, digest in made.outputs.items())


def _formers(made: Unit) -> dict[str, Any]:
    """The content of a unit's JSON outputs by path, without those that have changed."""
    return {
        path: read_json(path)
        for path, digest in made.outputs.items()
        if path.endswith(".json") and digest and _as_made(path, digest, made)
    }


def _stat(path: str) -> tuple[int, int, int] | None:
    """The parts of a file's stat that change when it is written; None if it is gone."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _as_made(path: str, digest: str, unit: Unit) -> bool:
    if digest:
        return Path(path).is_file() and file_digest(path) == digest
    return Path(path).is_dir() and _folder_as_made(Path(path), unit)


def _folder_as_made(folder: Path, unit: Unit) -> bool:
    """Whether a folder holds the files of the manifest next to it."""
    manifests = [path for path in unit.outputs if path.endswith("manifest.json")]
    listed = read_json(manifests[0])["digests"]
    return all(
        (folder / name).is_file() and file_digest(folder / name) == digest
        for name, digest in listed.items()
    )


def _output_digest(path: str) -> str:
    """An output's digest; "" for a folder, which a manifest describes."""
    return "" if Path(path).is_dir() else file_digest(path)
