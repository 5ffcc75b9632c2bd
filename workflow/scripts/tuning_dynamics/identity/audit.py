"""Read all files that a study has made, weights too, and compare them with its records."""

from collections.abc import Iterator
from pathlib import Path

from tuning_dynamics.common.atomic_files import file_digest, read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.identity.records import Record, read_record, record_files

#: Damaged files that are named.
NAMED = 20


def audit(study: str) -> str:
    """What was checked, in words; StudyError that names the files that have changed.

    Missing files, such as weights that were dropped, do not count as damage.
    """
    checked, damaged = 0, list[str]()
    for name, file in record_files(Paths(study).records):
        try:
            record = read_record(file, name) or Record()
        except StudyError:
            checked, damaged = checked + 1, [*damaged, str(file)]
            continue
        for path, digest in _recorded(record):
            if Path(path).is_file():
                checked += 1
                if file_digest(path) != digest:
                    damaged.append(path)
    if damaged:
        raise StudyError(
            f"{len(damaged):,} of {checked:,} files are not what was made",
            file=damaged[0],
            value=damaged[:NAMED],
            fix="run the study again: it makes small files again by itself, and weights once their "
            "manifest is deleted",
        )
    return f"{checked:,} files are as they were made"


def _recorded(record: Record) -> Iterator[tuple[str, str]]:
    """Each file of a record, and its digest: outputs, and the files that manifests list."""
    for path, digest in record.digests.items():
        if digest:
            yield path, digest
        if Path(path).name == "manifest.json" and Path(path).is_file():
            yield from _listed(path)


def _listed(manifest: str) -> Iterator[tuple[str, str]]:
    """The files of the model that a manifest describes."""
    try:
        listed = read_json(manifest)
    except StudyError:
        return  # its own digest says that it is damaged
    folder = listed.get("adapter") or listed.get("folder")
    for name, digest in listed.get("digests", {}).items() if folder and "variant" in listed else ():
        yield str(Path(folder, name)), digest
    if folder and listed.get("source") in ("pretrain", "local", "hub"):
        for name, digest in listed["digests"].items():
            yield str(Path(folder, name)), digest
