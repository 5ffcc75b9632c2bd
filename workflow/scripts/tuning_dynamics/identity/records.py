"""Records: what a job made, from which settings, code and inputs; kept in the study's folder.

The job itself writes its record, atomically, and only for outputs that exist: outputs without a
record, or with other content than recorded, are not used. So Snakemake's own metadata is not
needed, and a copy of a study's folder is as current as the study.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError

#: Params that an output shows, so that accepting results as current changes them.
SHOWN = frozenset({"accepted"})

#: The folder next to the records with the parts of the code of each digest.
CODE = "code"


@dataclass(frozen=True)
class Input:
    """A file that a unit was made from, and the digest of its content."""

    path: str
    digest: str


@dataclass
class Unit:
    """Outputs that are made together, and all that they depend on.

    A job has one, an evaluation one for each cell. `code` is a digest of the code that computes
    (see identity/code_digest.py), `inputs` are in the order of the job's inputs under each name,
    `outputs` maps each file to its digest ("" before it is made; a manifest describes folders).
    `versions` are those of the packages of the job's environment, or were accepted in their place
    by hand, and decide nothing.
    """

    outputs: dict[str, str]
    settings: dict[str, Any]
    code: str
    inputs: dict[str, list[Input]]
    versions: dict[str, str] = field(default_factory=dict)
    run: str = ""
    date: str = ""

    @property
    def name(self) -> str:
        """The name that identifies a unit within its job."""
        return next(iter(self.outputs))

    @property
    def paths(self) -> set[str]:
        """The files that the unit is made from."""
        return {found.path for files in self.inputs.values() for found in files}

    def planned(self) -> str:
        """Digest of what is known about a unit before its inputs exist."""
        return self._digest(self.settings)

    def fixed(self) -> str:
        """`planned`, without the settings that change as jobs of a run end."""
        return self._digest({k: v for k, v in self.settings.items() if k not in SHOWN})

    def _digest(self, settings: dict[str, Any]) -> str:
        return digest_of([list(self.outputs), settings, self.code])

    def identity(self) -> str:
        """Digest of all that the unit depends on."""
        inputs = {name: [found.digest for found in files] for name, files in self.inputs.items()}
        return digest_of([self.planned(), inputs])


@dataclass
class Record:
    """A job's record: the units that are made, and what was accepted as current by hand.

    `formers` is the former content of JSON outputs that are being made again, by path.
    """

    units: dict[str, Unit] = field(default_factory=dict)
    accepted: list[dict[str, str]] = field(default_factory=list)
    formers: dict[str, Any] = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each output that is made."""
        return {path: text for unit in self.units.values() for path, text in unit.outputs.items()}

    def accept(self, output: str, before: str, now: str, other: str = "") -> None:
        """Note that an output was accepted as current: by its identities, or by the versions of
        the package `other`."""
        date = moment()
        entry = {"output": output, "date": date, "other": other, "before": before, "now": now}
        self.accepted.append(entry)

    def other_versions(self, unit: Unit, asked: Mapping[str, str]) -> list[tuple[str, str]]:
        """Packages, with the version that a unit was made with, of which another version is asked
        for that was not accepted."""
        accepted = {(entry["output"], entry["other"], entry["now"]) for entry in self.accepted}
        return [
            (package, version)
            for package, version in unit.versions.items()
            if asked.get(package, version) != version
            and (unit.name, package, asked[package]) not in accepted
        ]


def moment() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def digest_of(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_record(path: str | Path, job: str) -> Record | None:
    """The record of the job of a name, None if there is none; StudyError if it is damaged or
    another job's."""
    if not Path(path).is_file():
        return None
    document = read_json(path)
    try:
        named = document.get("job", job)  # records from before 0.6.0 was finished name none
        if named != job:
            raise ValueError(f"it is of {named}")
        units = [_unit(entry) for entry in document["units"]]
        by_name = {unit.name: unit for unit in units}
        accepted = [_texts(entry, *_ACCEPTED) for entry in document["accepted"]]
        return Record(by_name, accepted, dict(document.get("formers", {})))
    except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise StudyError(
            f"a job's record is damaged ({type(error).__name__}: {error})",
            file=path,
            fix="run the same command again; the job is done again",
        ) from None


def record_files(folder: str | Path) -> Iterator[tuple[str, Path]]:
    """The files in a study's folder of records, with their jobs' names."""
    for path in sorted(Path(folder).glob("*/**/*.json")):
        name = str(path.relative_to(folder).with_suffix(""))
        if not name.startswith(f"{CODE}/"):
            yield name, path


def all_records(folder: str | Path) -> Iterator[tuple[str, Record]]:
    """All records in a study's folder of records, with their jobs' names; damaged ones are left
    out: their jobs run again."""
    for name, path in record_files(folder):
        with suppress(StudyError):
            record = read_record(path, name)
            if record is not None:
                yield name, record


def write_record(path: str | Path, job: str, record: Record) -> None:
    """Write the record of the job of a name atomically."""
    units = [asdict(unit) for unit in record.units.values()]
    formers = {"formers": record.formers} if record.formers else {}
    write_json(path, {"job": job, "units": units, "accepted": record.accepted, **formers})


def _unit(entry: dict[str, Any]) -> Unit:
    inputs = {
        name: [Input(**_texts(found, "path", "digest")) for found in files]
        for name, files in entry["inputs"].items()
    }
    _texts({key: value for key, value in entry.items() if key in ("code", "run", "date")})
    return Unit(
        **{
            **entry,
            "inputs": inputs,
            "settings": dict(entry["settings"].items()),
            "outputs": _texts(entry["outputs"]),
            "versions": _texts(entry.get("versions", {})),
        }
    )


#: What is noted where an output was accepted.
_ACCEPTED = ("output", "date", "other", "before", "now")


def _texts(value: Any, *keys: str) -> dict[str, str]:
    """A mapping of texts that has some keys; TypeError or KeyError for anything else."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise TypeError(f"{value!r} is not texts by name")
    for key in keys:
        value[key]
    return value
