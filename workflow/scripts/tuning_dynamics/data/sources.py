"""Raw rows of a dataset: from the mini world, from files, or from the hub."""

import csv
import json
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

from tuning_dynamics.study.datasets import Dataset, HubDataset, Join
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.paths import fill_root

Row = dict[str, Any]


def read_split(
    name: str, dataset: Dataset, split: str, data_root: str | None, world: dict[str, Any]
) -> list[Row] | None:
    """Rows of a dataset's `train` or `evaluation` split, None where it has none.

    `world` holds the fields of the mini world's WorldSpec. StudyError for unreadable sources.
    """
    source, file = dataset.source, f"datasets/{name}.yaml"
    if source.world is not None:
        return _world_rows(source.world, split, world, file)
    if source.hub is not None:
        return _hub_rows(source.hub, split, file)
    path = getattr(source.files, split)
    if path is None:
        return None
    rows = read_rows(Path(fill_root(path, data_root, file)))
    return _joined(rows, dataset.join, data_root, file) if dataset.join else rows


def _world_rows(world_set: str, split: str, world: dict[str, Any], file: str) -> list[Row] | None:
    from tuning_dynamics.data.world import TASK_SETS, WorldSpec, task_set

    if world_set not in TASK_SETS:
        raise StudyError(
            "the mini world has no such set",
            file=file,
            key="source.world",
            value=world_set,
            fix=f"choose from {', '.join(TASK_SETS)}",
        )
    return task_set(WorldSpec(**world), world_set).get(split)


def _hub_rows(hub: HubDataset, split: str, file: str) -> list[Row] | None:
    name = getattr(hub.splits, split)
    if name is None:
        return None
    import datasets

    try:
        loaded = datasets.load_dataset(hub.id, hub.config, split=name, revision=hub.revision)
    except (OSError, ValueError, RuntimeError) as error:
        raise StudyError(
            f"the hub dataset cannot be read ({' '.join(str(error).split())})",
            file=file,
            key="source.hub",
            value=f"{hub.id} {hub.config or ''} {name}",
            fix="check id, config, revision and split, and the connection (or HF_HUB_OFFLINE)",
        ) from None
    return [dict(row) for row in loaded]


def read_rows(path: Path) -> list[Row]:
    """Rows of a JSONL, CSV or parquet file; StudyError names the line that does not parse."""
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix)
    if reader is None:
        raise StudyError(
            "the file's type is not known",
            file=path,
            key="suffix",
            value=path.suffix,
            fix=f"use one of {', '.join(readers)}",
        )
    if not path.is_file():
        raise StudyError(
            "the data file does not exist",
            file=path,
            key="path",
            value=str(path),
            fix="check the path and data_root",
        )
    return reader(path)


def read_text(path: Path) -> str:
    """A file as UTF-8 text; StudyError names the byte that is not."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(
            f"the file is not UTF-8 text ({error.reason} at byte {error.start})",
            file=path,
            key=f"byte {error.start}",
            value=error.object[max(0, error.start - 20) : error.start + 20],
            fix="convert it to UTF-8",
        ) from None


def _jsonl(path: Path) -> list[Row]:
    rows = []
    # Split on "\n" only: texts may hold other line separators, such as U+2028.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            row = error.msg
        if not isinstance(row, dict):
            raise StudyError(
                f"line {number} is not a JSON object ({row if isinstance(row, str) else 'other'})",
                file=path,
                key=f"line {number}",
                value=line,
                fix="mend or remove the line",
            )
        rows.append(row)
    return rows


def _csv(path: Path) -> list[Row]:
    reader = csv.DictReader(read_text(path).splitlines(keepends=True), restkey="(more)")
    rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if "(more)" in row or None in row.values():
            raise StudyError(
                f"record {number} has another number of fields than the header",
                file=path,
                key=f"record {number}",
                value=row,
                fix="quote fields that hold commas",
            )
    return rows


def _parquet(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(path).to_pylist()
        return rows
    except (OSError, pa.ArrowInvalid) as error:
        raise StudyError(
            "the parquet file is damaged",
            file=path,
            key="content",
            value=str(error),
            fix="write it again",
        ) from None


def _joined(rows: list[Row], join: Join, data_root: str | None, file: str) -> list[Row]:
    path = Path(fill_root(join.file, data_root, file))
    texts: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in read_rows(path):
        texts[tuple(str(look_up(row, key, path)) for key in join.on.values())].append(
            str(look_up(row, join.take, path))
        )
    return [{**row, join.into: _taken(row, join, texts, file)} for row in rows]


def _taken(row: Row, join: Join, texts: dict[tuple[str, ...], list[str]], file: str) -> str:
    values = {name: [str(look_up(row, name, file))] for name in join.on}
    if join.each is not None:
        values[join.each] = [part.strip() for part in values[join.each][0].split(",")]
    found: list[str] = []
    for key in product(*values.values()):
        if key not in texts:
            raise StudyError(
                "a row has no match in the joined file",
                file=file,
                key="join",
                value=dict(zip(join.on, key, strict=True)),
                fix="correct join.on and join.each, or drop the rows",
            )
        found += texts[key]
    return " ".join(found)


def look_up(row: Row, path: str, file: str | Path) -> Any:
    """The value at a dotted path of a row (`choices.text`, `answers.0`).

    A step into a list of mappings takes the step in each: `choices.text` of
    [{text: …}, …] is the list of texts. `answer{label}` names the field after another's value.
    StudyError names the fields there are.
    """
    value: Any = row
    if "{" in path:
        path = path.format_map(row)
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, list) and all(isinstance(v, dict) and step in v for v in value):
            value = [v[step] for v in value]
        else:
            raise StudyError(
                "a row lacks a field",
                file=file,
                key=path,
                value=list(row),
                fix="use one of the row's fields",
            )
    return value
