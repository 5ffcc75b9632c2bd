"""A table of published scores as a study: rows of scores.csv, read and checked.

Whatever could give a wrong number is refused with its line and column: a cell that counts twice,
scores in percent, one checkpoint with two numbers of tokens, one set with two kinds.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import file_digest, text_digest
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import RESERVED, fill_root
from tuning_dynamics.common.variants import Setting
from tuning_dynamics.config.study import Study
from tuning_dynamics.grid.csv_file import Line, number_of, read_rows, refused
from tuning_dynamics.grid.figures import Piece
from tuning_dynamics.grid.grid import Axes, Grid
from tuning_dynamics.grid.ladder_table import ladder_rows
from tuning_dynamics.grid.peft_table import peft_rows
from tuning_dynamics.grid.pythia_table import pythia_rows
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.columns import IDENTITY, KEY_COLUMNS, POOLED

#: A row of scores.csv: text and numbers by column; None where a number is empty.
Row = dict[str, Any]

#: Roles of sets of the task that a model was tuned on.
OWN_TASK = ("id", "ood")

#: Task and kind of a train set about which nothing is known.
UNKNOWN = "unknown"

#: Columns that a cell requires; the others may be left out.
REQUIRED = (*(name for name in KEY_COLUMNS if name != "draw"), "score")
OPTIONAL = tuple(name for name in columns_of("scores") if name not in REQUIRED)

# Empty if they do not apply; everything else in REQUIRED needs a value.
_MAY_BE_EMPTY = ("train_set", "seed", "role")

_KINDS = ("classification", "generation", "multiple_choice")
_ROLES = ("id", "ood", "cross", "bench")

# Columns that become the name of a folder or of a figure's file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class PublishedTable:
    """The rows of a study's table, its files and their digest.

    `left_out` states what of the files is left out, and why.
    """

    files: tuple[str, ...]
    digest: str
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The files in words: the name of the only one, or of the first."""
        first, more = Path(self.files[0]).name, len(self.files) - 1
        return f"{first} and {more} more" if more else first

    @cached_property
    def recipes(self) -> list[str]:
        """The recipes that tune."""
        return sorted({row["recipe"] for row in self.rows} - {"base"})

    @cached_property
    def grid(self) -> Grid:
        """The table's cells as a study's grid: one block per variant."""
        variant = ("family", "step", "recipe", "train_set", "seed")
        return Grid(tuple(_axes(*rows) for rows in _by(self.rows, variant).values()))

    def pieces(self) -> Iterator[Piece]:
        """What a figure may show: cells that differ only in checkpoint, seed, shots, draw or
        method."""
        same = ("family", "recipe", "train_set", "eval_set", "kind", "role", "format")
        for (family, recipe, train_set, *rest), rows in _by(self.rows, same).items():
            eval_set, kind, role, name = rest
            points = frozenset((row["tokens"], row["checkpoint"]) for row in rows)
            seeds = frozenset(row["seed"] for row in rows) - {None}
            yield Piece(family, recipe, train_set, eval_set, kind, role, name, points, seeds)

    def train_sets(self, kinds: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Task and kind of each train set: those of its own task's sets, if the table has them;
        else those in `kinds`; else UNKNOWN."""
        evaluated = {row["eval_set"]: (row["task"], row["kind"]) for row in self.rows}
        own = {
            row["train_set"]: (row["task"], row["kind"])
            for row in self.rows
            if row["role"] in OWN_TASK
        }
        found = {}
        for name in sorted({row["train_set"] for row in self.rows} - {""}):
            kind = kinds.get(name, UNKNOWN)
            task = kind if kind == "instruction" else UNKNOWN
            found[name] = own.get(name) or evaluated.get(name) or (task, kind)
        return found


def _axes(*rows: Row) -> Axes:
    """The block of one variant's rows."""
    first, setting = rows[0], itemgetter(*Setting._fields)
    return Axes(
        steps={first["family"]: frozenset({first["step"]})},
        recipes=frozenset({first["recipe"]}),
        train_sets=frozenset({first["train_set"]} - {""}),
        seeds=frozenset({first["seed"]} - {None}),
        settings=frozenset(Setting(*setting(row)) for row in rows),
    )


def read_published(study: Study, file: str) -> PublishedTable:
    """The table that a study's key `scores` names; `file` is the config's, for errors.

    Raises StudyError for anything that could give a wrong number.
    """
    paths = [fill_root(path, study.data_root, file) for path in study.score_files]
    table = read_layout(paths, study.published.layout)
    _require_names(study, table, file)
    return table


def read_layout(paths: str | Sequence[str], layout: str) -> PublishedTable:
    """The table of one file, or several, in one of the layouts of `Published`; raises StudyError.

    Only a layout with a file per family may have several files.
    """
    files = (paths,) if isinstance(paths, str) else tuple(paths)
    if len(files) > 1 and layout not in _FILE_PER_FAMILY:
        raise StudyError(
            f"layout {layout} is one file",
            file=files[1],
            key="scores",
            value=len(files),
            fix=f"name one file; several are for layout {', '.join(_FILE_PER_FAMILY)}",
        )
    rows: list[Row] = []
    left_out: list[str] = []
    families: dict[str, str] = {}
    for file in files:
        lines, without = _LAYOUTS[layout](file)
        own = parsed_rows(lines, file)
        _require_other_families(families, own, file)
        rows += own
        left_out += [f"{Path(file).name}: {text}" if len(files) > 1 else text for text in without]
    digests = [file_digest(file) for file in files]
    digest = digests[0] if len(files) == 1 else text_digest(" ".join(digests))
    return PublishedTable(files, digest, tuple(rows), tuple(left_out))


def _plain_rows(path: str) -> tuple[list[Line], list[str]]:
    return read_rows(path, REQUIRED, OPTIONAL), []


#: How each layout's file is read: lines as text by columns of scores.csv, and what is left out.
_LAYOUTS: dict[str, Callable[[str], tuple[list[Line], list[str]]]] = {
    "scores": _plain_rows,
    "pythia_evals": pythia_rows,
    "olmo_ladder": ladder_rows,
    "peft_methods": peft_rows,
}

_FILE_PER_FAMILY = ("olmo_ladder",)


def _require_other_families(families: dict[str, str], rows: Sequence[Row], file: str) -> None:
    """Note a file's families; StudyError if an earlier file has one of them too."""
    for name in dict.fromkeys(str(row["family"]) for row in rows):
        if families.setdefault(name, file) != file:
            raise StudyError(
                f"two files are of family {name}",
                file=file,
                key="scores",
                value=families[name],
                fix="name each file once; a family is named after its file",
            )


def parsed_rows(lines: Sequence[Line], file: str) -> list[Row]:
    """Rows of scores.csv from text by column; StudyError for the first invalid one."""
    if not lines:
        raise StudyError("the table has no rows", file=file, fix="give one row per cell")
    rows = [(line, _parsed(line, text, file)) for line, text in lines]
    _require_unique(rows, file)
    _require_one(rows, ("family", "checkpoint"), ("step", "tokens"), file)
    _require_one(rows, ("eval_set",), ("task", "kind"), file)
    tuned = [(line, row) for line, row in rows if row["recipe"] != "base"]
    _require_one(tuned, ("train_set", "eval_set"), ("role",), file)
    own = [(line, row) for line, row in tuned if row["role"] in OWN_TASK]
    _require_one(own, ("train_set",), ("task", "kind"), file)
    _require_order(rows, file)
    if all(row["format"] != "default" for _, row in rows):
        raise StudyError(
            "no row has the format `default`, which summaries are made from",
            file=file,
            key="format",
            value=sorted({row["format"] for _, row in rows}),
            fix="name the format that models were tuned on `default`",
        )
    return [row for _, row in rows]


def _parsed(line: int, text: Mapping[str, str], file: str) -> Row:
    """A line as a row, with every value of its column's type and in range."""
    row: Row = {}
    for name, kind in columns_of("scores").items():
        value = text.get(name, "")
        if value == "" and name in REQUIRED and name not in _MAY_BE_EMPTY:
            raise refused("a value is missing", file, line, name, value, "give it")
        row[name] = value if kind == "str" else number_of(value, kind, file, line, name)
    # One seed that is not given still counts as a seed.
    if row["recipe"] != "base" and row["seed"] is None:
        row["seed"] = 0
    # Tables have had this column only since there are draws.
    if row["draw"] is None:
        row["draw"] = 0
    for wrong, column, what, fix in _checks(row):
        if wrong:
            raise refused(what, file, line, column, text.get(column, ""), fix)
    return row


def _checks(row: Row) -> Iterator[tuple[bool, str, str, str]]:
    """Each check of a single row: whether it fails, the column, what is wrong, and the fix."""
    base = row["recipe"] == "base"
    name = "use letters, digits, _ and - only, beginning with a letter or digit"
    percent = "scores are fractions from 0 to 1"
    if row["score"] > 1:
        percent += "; divide percentages by 100"
    yield not _NAME.fullmatch(row["family"]), "family", "the value is not a name", name
    yield row["family"] in RESERVED, "family", "the name is that of a folder", "rename it"
    for column in ("checkpoint", "eval_set"):
        yield row[column] == POOLED, column, "the name is that of pooled rows", "rename it"
    yield base and row["train_set"] != "", "train_set", "base is not tuned", "leave it empty"
    yield base and row["seed"] is not None, "seed", "base is not tuned", "leave it empty"
    missing = f"train_set is missing, but recipe {row['recipe']!r} is a tuned model"
    fix = "name the train set, or set recipe to base if the model is not tuned"
    yield not base and row["train_set"] == "", "train_set", missing, fix
    yield (
        not base and not _NAME.fullmatch(row["train_set"]),
        "train_set",
        "the value is not a name",
        name,
    )
    shown = row["shots"] or not row["draw"]
    yield not shown, "draw", "a prompt without demonstrations has no draw", "write 0"
    yield row["kind"] not in _KINDS, "kind", "the kind is not known", _one_of(_KINDS)
    roles = ("", "bench") if base else _ROLES
    what = "the role of a set to base" if base else "the role of a set to a tuned model"
    allowed = "leave it empty, or write bench" if base else _one_of(_ROLES)
    yield row["role"] not in roles, "role", f"{what} is not known", allowed
    yield not 0 <= row["score"] <= 1, "score", "the score is not between 0 and 1", percent
    yield (row["se"] or 0) < 0, "se", "the standard error is below 0", "correct it"
    commonest, answer = row["commonest"], row["degenerate"]
    what = "the share is not between 0 and 1"
    yield not 0 <= (commonest or 0) <= 1, "commonest", what, "correct it"
    yield answer not in ("", "yes"), "degenerate", "the value is not known", "write yes, or nothing"
    yield row["n"] == 0, "n", "a score needs items", "leave it empty if it is unknown"
    low, high = row["ci_low"], row["ci_high"]
    half = "an interval has one end"
    yield (low is None) != (high is None), "ci_low", half, "give both ends or neither"
    if low is not None and high is not None:
        outside = not 0 <= low <= high <= 1
        yield outside, "ci_low", "the interval's ends are not 0 <= low <= high <= 1", percent


def _one_of(words: Iterable[str]) -> str:
    return f"write one of {', '.join(words)}"


def _by(rows: Iterable[Row], columns: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in columns)].append(row)
    return found


def _require_unique(rows: Sequence[tuple[int, Row]], file: str) -> None:
    """StudyError if two lines are the same cell."""
    seen: dict[tuple[Any, ...], int] = {}
    key = itemgetter(*IDENTITY)
    for line, row in rows:
        first = seen.setdefault(key(row), line)
        if first != line:
            cell = {name: row[name] for name in IDENTITY if row[name] not in ("", None)}
            raise StudyError(
                f"lines {first} and {line} are the same cell, which would count twice",
                file=file,
                key=f"line {line}, column eval_set",
                value=", ".join(f"{name}={value}" for name, value in cell.items()),
                fix="keep one of the two lines; if they are two evaluations, give them "
                "different values of eval_set, format, shots, draw, prediction or metric",
            )


def _require_one(
    rows: Sequence[tuple[int, Row]], keys: Sequence[str], columns: Sequence[str], file: str
) -> None:
    """StudyError if rows that agree on `keys` differ in one of `columns`."""
    seen: dict[tuple[Any, ...], tuple[int, Row]] = {}
    for line, row in rows:
        key = tuple(row[name] for name in keys)
        first, other = seen.setdefault(key, (line, row))
        for column in columns:
            if row[column] != other[column]:
                what = ", ".join(f"{name} {row[name]}" for name in keys)
                raise refused(
                    f"{what} has {column} {other[column]} in line {first}, and another here",
                    file,
                    line,
                    column,
                    row[column],
                    f"give {what} one {column}, or different names if there are two",
                )


def _require_order(rows: Sequence[tuple[int, Row]], file: str) -> None:
    """StudyError if a later checkpoint of a family has seen fewer tokens."""
    points = sorted(
        {
            (row["family"], row["step"], row["tokens"]): (line, row["checkpoint"])
            for line, row in reversed(rows)
        }.items()
    )
    for ((family, _, fewer), _), ((other, step, tokens), (line, label)) in pairwise(points):
        if family == other and tokens < fewer:
            raise refused(
                f"checkpoint {label} (step {step}) of {family} has seen fewer tokens than an "
                f"earlier one ({fewer})",
                file,
                line,
                "tokens",
                tokens,
                "correct step or tokens; a series that starts again is a family of its own",
            )


def _require_names(study: Study, table: PublishedTable, file: str) -> None:
    """StudyError if the config names sets that the table does not have."""
    evaluated = {row["eval_set"] for row in table.rows}
    trained = {row["train_set"] for row in table.rows} - {""}
    published = study.published
    for key, names, known in (
        ("chance", published.chance, evaluated),
        ("train_kinds", published.train_kinds, trained),
    ):
        for name in names:
            if name not in known:
                raise StudyError(
                    "the table has no such set",
                    file=file,
                    key=f"published.{key}",
                    value=name,
                    fix=f"{table.named} has {', '.join(sorted(known)) or 'none'}",
                )
    for name, (_, kind) in table.train_sets(published.train_kinds).items():
        if published.train_kinds.get(name, kind) != kind:
            raise StudyError(
                f"the table's own sets of {name!r} are of kind {kind}",
                file=file,
                key=f"published.train_kinds.{name}",
                value=published.train_kinds[name],
                fix="leave the set out of train_kinds, or correct the table",
            )
