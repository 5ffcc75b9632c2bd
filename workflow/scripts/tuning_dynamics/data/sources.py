"""Raw rows of a dataset: from the mini world, from files, or from the hub, one at a time."""

import csv
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError, UnavailableError, study_error_type
from tuning_dynamics.common.hub import HubError, patiently, redacted
from tuning_dynamics.common.paths import fill_root
from tuning_dynamics.config.dataset import Dataset, HubDataset, Join

Row = dict[str, Any]

#: Rows in memory at a time.
BATCH = 1000


@dataclass(frozen=True)
class Rows:
    """A split's rows, read from their source again at each iteration."""

    read: Callable[[], Iterator[Row]]

    def __iter__(self) -> Iterator[Row]:
        return self.read()


def read_split(
    name: str, dataset: Dataset, split: str, data_root: str | None, world: dict[str, Any]
) -> Rows | None:
    """Rows of a dataset's `train` or `evaluation` split, None if it has none.

    `world` holds the fields of the mini world's WorldSpec. StudyError for unreadable sources; for
    a file whose content does not parse only when its rows are iterated.
    """
    source, file = dataset.source, f"datasets/{name}.yaml"
    if source.world is not None:
        return _world_rows(source.world, split, world, file)
    splits = source.hub.splits if source.hub is not None else source.files
    assert splits is not None, file  # a Source has exactly one of the three
    place = splits.train if split == "train" else splits.evaluation
    if place is None:
        return None
    if source.hub is not None:
        return _hub_rows(source.hub, place, file)
    rows = Rows(partial(read_rows, Path(fill_root(place, data_root, file))))
    return _joined(rows, dataset.join, data_root, file) if dataset.join else rows


def _world_rows(world_set: str, split: str, world: dict[str, Any], file: str) -> Rows | None:
    from tuning_dynamics.data.world import TASK_SETS, WorldSpec, task_set

    if world_set not in TASK_SETS:
        raise StudyError(
            "the mini world has no such set",
            file=file,
            key="source.world",
            value=world_set,
            fix=f"choose from {', '.join(TASK_SETS)}",
        )
    rows = task_set(WorldSpec(**world), world_set).get(split)
    return None if rows is None else Rows(lambda: iter(rows))


def pin_revision(
    name: str, dataset: Dataset, pinned: Mapping[str, str | None]
) -> tuple[Dataset, dict[str, str | None]]:
    """(the dataset at a commit of the hub, what it was resolved from), so that all reads see one
    state. Other sources stay as they are. StudyError if the hub has no commit.

    The commit of `pinned`, the result of an earlier call, is kept as long as the dataset names
    the same repository and revision.
    """
    hub = dataset.source.hub
    if hub is None:
        return dataset, {}
    same = (pinned.get("repo"), pinned.get("revision")) == (hub.id, hub.revision)
    commit = pinned["commit"] if same else _commit(hub, f"datasets/{name}.yaml")
    source = dataset.source.model_copy(update={"hub": hub.model_copy(update={"revision": commit})})
    origin = {"repo": hub.id, "revision": hub.revision, "commit": commit}
    return dataset.model_copy(update={"source": source}), origin


def _commit(hub: HubDataset, file: str) -> str:
    if hub.revision is not None and re.fullmatch(r"[0-9a-f]{40}", hub.revision):
        return hub.revision
    from huggingface_hub import HfApi

    try:
        commit = patiently(
            f"the revision of {hub.id}",
            lambda: HfApi().dataset_info(hub.id, revision=hub.revision).sha,
        )
    except HubError as error:
        raise UnavailableError(
            f"the hub dataset's revision cannot be resolved ({error})",
            file=file,
            key="source.hub.revision",
            value=f"{hub.id} {hub.revision or '(default branch)'}",
            fix="check id and revision, your access and the connection; without one, give the "
            "commit of 40 digits as revision",
        ) from None
    if commit is None:
        raise UnavailableError(
            "the hub gives no commit for the revision",
            file=file,
            key="source.hub.revision",
            value=hub.revision,
            fix="give the commit of 40 digits as revision",
        )
    return commit


def _hub_rows(hub: HubDataset, split: str, file: str) -> Rows:
    import datasets

    try:
        # Memory-mapped from disk, however large it is.
        loaded = patiently(
            f"dataset {hub.id}",
            lambda: datasets.load_dataset(
                hub.id,
                hub.config,
                data_dir=hub.data_dir,
                split=split,
                revision=hub.revision,
                keep_in_memory=False,
            ),
        )
    except (HubError, datasets.exceptions.DatasetsError, ValueError, RuntimeError) as error:
        raise UnavailableError(
            f"the hub dataset cannot be read ({redacted(' '.join(str(error).split()))[:300]})",
            file=file,
            key="source.hub",
            value=f"{hub.id} {hub.config or ''} {split}",
            fix="check id, config, revision and split, and the connection (or HF_HUB_OFFLINE); a "
            "file that arrived damaged stays in the hub's cache until you delete it there",
        ) from None
    return Rows(lambda: _unbatched(loaded.iter(batch_size=BATCH)))


def _unbatched(batches: Iterator[dict[str, list[Any]]]) -> Iterator[Row]:
    for batch in batches:
        for values in zip(*batch.values(), strict=True):
            yield _stated(dict(zip(batch, values, strict=True)))


def _stated(value: Any) -> Any:
    """A value as it is stated: numbers that are not finite, which some writers put for missing
    values, become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items()}
    return [_stated(inner) for inner in value] if isinstance(value, list) else value


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a JSONL, CSV or parquet file; StudyError names the line that does not parse.

    NaN and infinities are missing values. A byte-order mark is no text. A row that names a key
    twice, and a file that names a column twice, are refused.
    """
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix)
    if reader is None:
        raise StudyError(
            "the file's type is unknown",
            file=path,
            key="suffix",
            value=path.suffix,
            fix=f"use one of {', '.join(readers)}",
        )
    if not path.is_file():
        raise UnavailableError(
            "the data file does not exist",
            file=path,
            key="path",
            value=str(path),
            fix="check the path and data_root",
        )
    return reader(path)


def read_text(path: Path) -> str:
    """A file as UTF-8 text; StudyError names the byte that is not."""
    return "".join(_lines(path))


def _lines(path: Path) -> Iterator[str]:
    """A file's lines with their ends: at "\n" only, as texts may hold other line separators,
    such as U+2028."""
    with path.open("rb") as stream:
        start = 0
        for line in stream:
            try:
                yield line.decode("utf-8" if start else "utf-8-sig")
            except UnicodeDecodeError as error:
                raise StudyError(
                    f"the file is not UTF-8 text ({error.reason} at byte {start + error.start})",
                    file=path,
                    key=f"byte {start + error.start}",
                    value=line[max(0, error.start - 20) : error.start + 20],
                    fix="convert it to UTF-8",
                ) from None
            start += len(line)


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object, parse_constant=lambda _: None)
        except json.JSONDecodeError as error:
            row = error.msg
        except RecursionError:
            row = "nested too deeply"
        except RepeatedKeyError as error:
            row = f"the key {error.args[0]!r} is given twice"
        if not isinstance(row, dict):
            raise StudyError(
                f"line {number} is not a JSON object ({row if isinstance(row, str) else 'other'})",
                file=path,
                key=f"line {number}",
                value=line.rstrip("\n"),
                fix="fix or remove the line",
            )
        yield row


class RepeatedKeyError(Exception):
    """A JSON object that gives a key twice; json itself would keep the last."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKeyError(_repeated(key for key, _ in pairs))
    # Literals such as 1e999 are read as infinities.
    return {key: _stated(value) for key, value in pairs}


def _repeated(names: Iterable[str]) -> str | None:
    """The first name that is given twice."""
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _refuse_repeated(columns: Sequence[str], path: Path) -> None:
    """StudyError for a table with a column twice: one of the two would be lost."""
    repeated = _repeated(columns)
    if repeated is not None:
        raise StudyError(
            "a column is given twice",
            file=path,
            key="header",
            value=repeated,
            fix="rename or remove one of the two",
        )


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)  # texts can be longer than the module's 128 KB
    reader = csv.DictReader(_lines(path), restkey="(more)", strict=True)
    number = 1
    try:
        _refuse_repeated(reader.fieldnames or [], path)
        for number, row in enumerate(reader, start=2):
            if "(more)" in row or None in row.values():
                raise StudyError(
                    f"record {number} has a different number of fields than the header",
                    file=path,
                    key=f"record {number}",
                    value=row,
                    fix="quote fields that hold commas",
                )
            yield row
    except csv.Error as error:
        raise StudyError(
            f"record {number + 1} is not CSV ({error})",
            file=path,
            key=f"record {number + 1}",
            fix="quote fields that hold quotes or line breaks, and end lines with \\n",
        ) from None


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # No pre-buffering: it would hold a whole row group of compressed columns.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            _refuse_repeated(file.schema_arrow.names, path)
            for batch in file.iter_batches(batch_size=BATCH):
                yield from map(_stated, batch.to_pylist())
    except (OSError, pa.ArrowInvalid) as error:
        raise study_error_type(error)(
            "the parquet file is damaged",
            file=path,
            key="content",
            value=str(error),
            fix="create it again",
        ) from None


def _joined(rows: Rows, join: Join, data_root: str | None, file: str) -> Rows:
    path = Path(fill_root(join.file, data_root, file))
    texts: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in read_rows(path):
        key = tuple(_joining(row, name, path) for name in join.on.values())
        texts[key].append(_joining(row, join.take, path))
    return Rows(lambda: ({**row, join.into: _taken(row, join, texts, file)} for row in rows))


def _taken(row: Row, join: Join, texts: dict[tuple[str, ...], list[str]], file: str) -> str:
    values = {name: [_joining(row, name, file)] for name in join.on}
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


def _joining(row: Row, name: str, file: str | Path) -> str:
    """What two files are joined by, or the text that is joined; StudyError if it is missing."""
    value = look_up(row, name, file)
    if value is None:
        raise StudyError(
            "a row has no value in a field of the join",
            file=file,
            key=name,
            value=row,
            fix="fix the row, or correct the key join",
        )
    return str(value)


def look_up(row: Row, path: str, file: str | Path) -> Any:
    """The value at a dotted path of a row (`choices.text`, `answers.0`).

    A step into a list of mappings takes the step in each: `choices.text` of
    [{text: …}, …] is the list of texts. `answer{label}` names the field after another's value.
    StudyError lists the existing fields.
    """
    value: Any = row
    for step in _filled(path, row, file).split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, list) and all(isinstance(v, dict) and step in v for v in value):
            value = [v[step] for v in value]
        else:
            raise _lacking(path, row, file)
    return value


def _filled(path: str, row: Row, file: str | Path) -> str:
    """A path with the values of its {field}s filled in."""
    try:
        return path.format_map(row) if "{" in path else path
    except KeyError:
        raise _lacking(path, row, file) from None


def _lacking(path: str, row: Row, file: str | Path) -> StudyError:
    return StudyError(
        "a row lacks a field",
        file=file,
        key=path,
        value=list(row),
        fix="use one of the row's fields",
    )
