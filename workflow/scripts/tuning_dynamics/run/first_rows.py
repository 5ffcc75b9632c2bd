"""What the first row of a local file says of a dataset's settings: a dry run names fields that are
not there. Rows themselves are read by the job, which refuses the set."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError, nearest
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.run.all_jobs import Jobs

#: Files whose first row is read without a further library.
TEXT = (".jsonl", ".csv")


def lacking_fields(jobs: Jobs) -> list[StudyError]:
    """An error for each dataset whose local files lack fields that it names, with all of them."""
    if jobs.table is not None:
        return []
    found = []
    for name, dataset in jobs.resolved.datasets.items():
        errors = [text for text in _lacking(name, dataset, jobs) if text is not None]
        if errors:
            found.append(_error(name, errors))
    return found


def _error(name: str, errors: list[tuple[str, str, list[str]]]) -> StudyError:
    key, _, columns = errors[0]
    wrong = {key: field for key, field, _ in errors}
    return StudyError(
        f"the set {name} will be refused: its first row lacks fields that its file names",
        file=f"datasets/{name}.yaml",
        key=", ".join(wrong),
        value=", ".join(wrong.values()),
        fix=f"{nearest(wrong[key], columns)}the row has {', '.join(columns)}",
    )


def _lacking(name: str, dataset: Dataset, jobs: Jobs) -> Iterator[tuple[str, str, list[str]]]:
    """(key, field, existing fields) for each field that a first row lacks."""
    paths = jobs.data.data_files(name)
    joined = None if dataset.join is None else first_row(Path(paths.pop()))
    if dataset.join is not None and joined is not None:
        for field in (*dataset.join.on.values(), dataset.join.take):
            if _top(field) not in joined:
                yield "join", field, [*joined]
    for row in filter(None, (first_row(Path(path)) for path in paths)):
        made = {*dataset.compose, *([dataset.join.into] if dataset.join else [])}
        for key, field in _named(dataset):
            if "{" not in field and _top(field) not in {*row, *made}:
                yield key, field, [*row]


def first_row(path: Path) -> dict[str, Any] | None:
    """The first row of a JSONL or CSV file; None for another file, an empty one, or one that can't
    be read: the job says why. Other readers need libraries that a dry run does without."""
    if path.suffix not in TEXT:
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if path.suffix == ".csv":
                return next(csv.DictReader(stream), None)
            line = next((line for line in stream if line.strip()), "null")
            row = json.loads(line)
    except (ValueError, RecursionError, csv.Error):
        return None
    return row if isinstance(row, dict) else None


def _named(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """(key, row field) of all row fields that a dataset names, and that each row must have."""
    yield from ((f"fields.{name}", field) for name, field in dataset.fields.items())
    if dataset.gold is not None:
        yield "gold.field", dataset.gold.field
        yield from _given("gold.positions_field", dataset.gold.positions_field)
    yield from _given("id_field", dataset.id_field)
    yield from _given("context_field", dataset.context_field)
    options, messages = dataset.options, dataset.messages
    yield from _given("options", options)
    yield from _given(
        "messages",
        messages
        if messages is None or isinstance(messages, str)
        else [turn.field for turn in messages],
    )
    yield from (("drop", field) for field in dataset.drop)
    if dataset.join is not None:
        yield from (("join.on", field) for field in dataset.join.on)


def _given(key: str, fields: str | list[str] | None) -> Iterator[tuple[str, str]]:
    listed = [fields] if isinstance(fields, str) else fields or []
    yield from ((key, field) for field in listed)


def _top(field: str) -> str:
    """The row's own field that a path begins with."""
    return field.partition(".")[0]
