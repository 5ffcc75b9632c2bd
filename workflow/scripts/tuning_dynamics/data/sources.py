"""Raw rows of a dataset: from the mini world, from files, or from the hub, one at a time."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.common.hub import HubError, patiently, redacted
from tuning_dynamics.common.paths import fill_root
from tuning_dynamics.common.templates import filled
from tuning_dynamics.common.user_files import csv_records, require_file, text_lines
from tuning_dynamics.config.dataset import Dataset, HubDataset, Join

Row = dict[str, Any]

#: A row with its place: `line 7 of rows.csv`, `row 7 of validation`.
Placed = tuple[str, Row]

#: Rows of a hub's set in memory at a time.
BATCH = 1000

#: White space between JSON's values.
JSON_SPACE = " \t\r\n"

#: What a row does not have.
ABSENT = object()


@dataclass(frozen=True)
class Rows:
    """A split's rows with their places, read from their source again at each iteration."""

    read: Callable[[], Iterator[Placed]]

    def __iter__(self) -> Iterator[Placed]:
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
    return None if rows is None else Rows(lambda: _numbered(rows, split))


def _numbered(rows: Iterable[Row], name: str) -> Iterator[Placed]:
    for number, row in enumerate(rows, start=1):
        yield f"row {number} of {name}", row


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
    return Rows(lambda: _numbered(_unbatched(loaded.iter(batch_size=BATCH)), split))


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


def read_rows(path: Path) -> Iterator[Placed]:
    """Rows of a JSONL, CSV or parquet file with their places: the line where a row begins, or its
    number in a parquet file. StudyError names the one that can't be read in one way.

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
    require_file(path)
    return reader(path)


def read_text(path: Path) -> str:
    """A file as UTF-8 text; StudyError names the byte that is not."""
    return "".join(text_lines(path))


def _jsonl(path: Path) -> Iterator[Placed]:
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip(JSON_SPACE):
            yield f"line {number} of {path.name}", _json_row(line, number, path)


def _json_row(line: str, number: int, path: Path) -> Row:
    try:
        row = json.loads(line, object_pairs_hook=_object, parse_constant=lambda _: None)
        problem = "other"
    except json.JSONDecodeError as error:
        row, problem = None, error.msg
    except RecursionError:
        row, problem = None, "nested too deeply"
    except RepeatedKeyError as error:
        row, problem = None, f"the key {error.args[0]!r} is given twice"
    except ValueError:
        # Python refuses to read them, as that takes quadratic time.
        row, problem = None, "a whole number of thousands of digits"
    if not isinstance(row, dict):
        raise StudyError(
            f"line {number} is not a JSON object ({problem})",
            file=path,
            key=f"line {number}",
            value=line.rstrip("\n"),
            fix="fix or remove the line",
        )
    return row


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
    repeated = _repeated(name.strip() for name in columns)
    if repeated is not None:
        raise StudyError(
            "a column is given twice",
            file=path,
            key="header",
            value=repeated,
            fix="rename or remove one of the two",
        )


def _csv(path: Path) -> Iterator[Placed]:
    records = csv_records(path)
    _, columns = next(records, (1, []))
    _refuse_repeated(columns, path)
    for line, cells in records:
        if len(cells) != len(columns):
            raise StudyError(
                f"line {line} has a different number of fields than the header",
                file=path,
                key=f"line {line}",
                value=f"{len(cells)} fields: {cells}",
                fix=f"give {len(columns)}, separated by commas; quote fields that hold commas",
            )
        yield f"line {line} of {path.name}", dict(zip(columns, cells, strict=True))


def _parquet(path: Path) -> Iterator[Placed]:
    from tuning_dynamics.data.parquet import batches, columns

    _refuse_repeated(columns(path), path)
    return _numbered((row for batch in batches(path) for row in map(_stated, batch)), path.name)


def _joined(rows: Rows, join: Join, data_root: str | None, file: str) -> Rows:
    path = Path(fill_root(join.file, data_root, file))
    texts: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for place, row in read_rows(path):
        key = tuple(_joining(row, name, place, path) for name in join.on.values())
        texts[key].append(_joining(row, join.take, place, path))
    return Rows(lambda: ((place, _with_text(row, join, texts, place, file)) for place, row in rows))


def _with_text(
    row: Row, join: Join, texts: dict[tuple[str, ...], list[str]], place: str, file: str
) -> Row:
    if join.into in row:
        raise StudyError(
            f"{place} has a field of the name that joined texts get",
            file=file,
            key="join.into",
            value=join.into,
            fix="give it another name, and use that in `fields`",
        )
    values = {name: [_joining(row, name, place, file)] for name in join.on}
    if join.each is not None:
        values[join.each] = [part.strip() for part in values[join.each][0].split(",")]
    found: list[str] = []
    for key in product(*values.values()):
        if key not in texts:
            raise StudyError(
                f"{place} has no match in the joined file",
                file=file,
                key="join",
                value=dict(zip(join.on, key, strict=True)),
                fix="correct join.on and join.each, or drop the rows",
            )
        found += texts[key]
    return {**row, join.into: " ".join(found)}


def _joining(row: Row, name: str, place: str, file: str | Path) -> str:
    """What two files are joined by, or the text that is joined; StudyError if it is missing."""
    value = look_up(row, name, file, place)
    text = text_of(value)
    if text is None:
        raise StudyError(
            f"{place} has no text or whole number in a field of the join",
            file=file,
            key=name,
            value=value,
            fix="fix the row, or correct the key join",
        )
    return text


def text_of(value: Any) -> str | None:
    """A text or a whole number as text; None for all else. Formats write other numbers and
    booleans in different ways: 1.0 or 1, True or true."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if isinstance(value, str) or whole else None


def look_up(row: Row, path: str, file: str | Path, place: str = "a row") -> Any:
    """The value at a dotted path of a row (`choices.text`, `answers.0`).

    A step into a list of mappings takes the step in each: `choices.text` of
    [{text: …}, …] is the list of texts. `answer{label}` names the field after another's value.
    StudyError names the row's `place` and lists the existing fields.
    """

    def named(name: str) -> str:
        text = text_of(row.get(name))
        if text is None:
            raise _lacking(path, row, file, place)
        return text

    value: Any = row
    for step in path.split("."):
        value = _stepped(value, filled(step, named))
        if value is ABSENT:
            raise _lacking(path, row, file, place)
    return value


def _stepped(value: Any, step: str) -> Any:
    """What a value has at a step, ABSENT if it has none."""
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if not isinstance(value, list):
        return ABSENT
    if re.fullmatch("[0-9]{1,9}", step) and int(step) < len(value):
        return value[int(step)]
    found = [_stepped(one, step) if isinstance(one, dict) else ABSENT for one in value]
    return ABSENT if any(one is ABSENT for one in found) else found


def _lacking(path: str, row: Row, file: str | Path, place: str) -> StudyError:
    return StudyError(
        f"{place} lacks a field",
        file=file,
        key=path,
        value=list(row),
        fix="use one of the row's fields",
    )
