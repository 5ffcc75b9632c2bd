"""Tables as embedded in the page: rows that its script shows, sorts and filters."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tuning_dynamics.tables.catalogue import columns_of

#: Significant digits of the numbers on the page; the CSV files have all.
_DIGITS = 4

#: A text column of 2 to this many values gets a list to choose from.
_CHOICES = 60
#: Texts longer than this are not offered as choices.
_CHOICE_LENGTH = 40

#: How many rows of a table are embedded; fewer if all tables together are too large.
_ROWS = (5000, 2000, 1000, 500, 200)


def embedded_tables(
    tables: Mapping[str, pd.DataFrame], characters: int
) -> dict[str, dict[str, Any]]:
    """The first rows of each table, in at most about `characters` in total."""
    for rows in _ROWS:
        found = {name: embedded_table(table, name, rows) for name, table in tables.items()}
        if sum(len(json.dumps(value)) for value in found.values()) <= characters:
            break
    return found


def embedded_table(table: pd.DataFrame, name: str, rows: int) -> dict[str, Any]:
    """At most `rows` rows, for JSON: `columns` with `name`, `number` (whether it is one),
    `values` and, for text, the distinct `levels` that the values index; `rows` shown, and `all` in
    total. `choose` marks columns with a list to choose from."""
    shown = table.head(rows)
    columns = [_column(shown[column], kind) for column, kind in columns_of(name).items()]
    return {"columns": columns, "rows": len(shown), "all": len(table)}


def _column(values: pd.Series, kind: str) -> dict[str, Any]:
    column: dict[str, Any] = {"name": values.name, "number": kind != "str"}
    if kind != "str":
        return column | {"values": [_number(value, kind) for value in values]}
    levels = sorted(values.unique(), key=_natural)
    codes = {level: code for code, level in enumerate(levels)}
    return column | {
        "levels": levels,
        "values": [codes[value] for value in values],
        "choose": _is_choice(levels, len(values)),
    }


def _natural(text: str) -> tuple[bool, int, str]:
    """Sorts numbers by size and before words."""
    return not text.isdecimal(), int(text) if text.isdecimal() else 0, text


def _is_choice(levels: Sequence[str], rows: int) -> bool:
    # Neither a list of unique values nor one of sentences is helpful.
    few = 1 < len(levels) <= min(_CHOICES, rows / 2)
    return few and max(map(len, levels)) <= _CHOICE_LENGTH


def _number(value: Any, kind: str) -> int | float | None:
    if pd.isna(value):
        return None
    return int(value) if kind == "int" else float(f"{float(value):.{_DIGITS}g}")
