"""How tables are written and read.

A table is a CSV file, a parquet file of the same values, and a LaTeX file to print. Numbers are
rounded to nine significant digits first: far below any uncertainty, far above the last bits in
which two linear algebra libraries differ, so that equal runs give equal bytes.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.tables.catalogue import TABLES, caption_of, columns_of
from tuning_dynamics.tables.inert_text import inert_text, original_text
from tuning_dynamics.tables.latex import latex_table

SIGNIFICANT_DIGITS = 9

# Int64 can hold an empty value, such as the seed of an untuned checkpoint; numpy's int64 can't.
_DTYPES = {"str": "str", "int": "Int64", "float": "float64"}


def typed(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """The frame with exactly the columns of `table`, in order, with their types.

    Raises StudyError for a column that is missing or not the table's, or a value of another type.
    """
    columns = columns_of(table)
    _require_columns(list(frame.columns), table, file=None)
    casted = {}
    for name, kind in columns.items():
        try:
            casted[name] = frame[name].astype(_DTYPES[kind])
        except (TypeError, ValueError) as error:
            raise StudyError(
                f"column '{name}' of table '{table}' holds a value that is not {kind}: {error}",
                key=name,
                fix="give every row a value of the type that docs/tables.md states",
            ) from error
    return pd.DataFrame(casted).reset_index(drop=True)


def from_rows(rows: list[dict[str, object]], table: str) -> pd.DataFrame:
    """A typed table of `rows`; no rows give an empty table with all columns."""
    return typed(pd.DataFrame(rows, columns=list(columns_of(table))), table)


def write_table(frame: pd.DataFrame, csv_path: Path) -> None:
    """Write the table named by the file's stem as CSV, and as parquet and LaTeX next to it.

    Each is written atomically. Raises StudyError if the columns aren't the table's.
    """
    name = _table_name(csv_path)
    rounded = _rounded(typed(frame, name))
    with whole_file(csv_path.with_suffix(".parquet")) as temporary:
        rounded.to_parquet(temporary, index=False)
    with whole_file(csv_path.with_suffix(".tex")) as temporary:
        temporary.write_text(latex_table(rounded, name, caption_of(name)), encoding="utf-8")
    texts = [column for column, kind in columns_of(name).items() if kind == "str"]
    inert = rounded.assign(**{column: rounded[column].map(inert_text) for column in texts})
    # csv quotes line feeds alone, and readers take carriage returns for line ends too.
    returns = inert[texts].map(lambda text: "\r" in text).to_numpy().any()
    quoting = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    with whole_file(csv_path) as temporary:
        inert.to_csv(
            temporary,
            quoting=quoting,
            index=False,
            lineterminator="\n",
            float_format=f"%.{SIGNIFICANT_DIGITS}g",
        )


def read_table(csv_path: Path, absent: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read the CSV table named by the file's stem; empty text stays "", an empty number is NA.

    `absent` has the texts of columns that earlier versions did not write. Raises StudyError for a
    missing or broken file, wrong columns, or a value of a wrong type.
    """
    table = _table_name(csv_path)
    try:
        text = pd.read_csv(csv_path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise StudyError(
            f"table '{table}' is missing",
            file=csv_path,
            fix="run the workflow's aggregate stage, which writes it",
        ) from error
    except (ValueError, pd.errors.ParserError) as error:
        raise StudyError(
            f"table '{table}' is not a readable CSV file: {error}",
            file=csv_path,
            fix="delete the file and let the workflow write it again",
        ) from error
    lacking = {name: value for name, value in (absent or {}).items() if name not in text}
    text = text.assign(**lacking)
    _require_columns(list(text.columns), table, file=csv_path)
    return pd.DataFrame(
        {name: _parsed(text[name], kind, csv_path) for name, kind in columns_of(table).items()}
    )


def read_tables(csv_paths: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Several tables by name, each as from `read_table`."""
    return {Path(path).stem: read_table(Path(path)) for path in csv_paths}


def _table_name(path: Path) -> str:
    if path.stem not in TABLES or path.suffix != ".csv":
        raise StudyError(
            f"'{path.name}' is not the name of a table",
            file=path,
            value=path.name,
            fix="use one of " + ", ".join(f"{name}.csv" for name in TABLES),
        )
    return path.stem


def _require_columns(found: list[str], table: str, file: Path | None) -> None:
    expected = list(columns_of(table))
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    repeated = sorted({name for name in found if found.count(name) > 1})
    if missing or unknown or repeated:
        raise StudyError(
            f"table '{table}' has wrong columns: missing {missing}, unknown {unknown}, "
            f"repeated {repeated}",
            file=file,
            fix="give the columns that docs/tables.md lists: " + ", ".join(expected),
        )


def _parsed(text: pd.Series, kind: str, path: Path) -> pd.Series:
    if kind == "str":
        return text.map(original_text)
    try:
        numbers = pd.to_numeric(text.where(text != "", None))
        return numbers.astype(_DTYPES[kind])
    except (TypeError, ValueError) as error:
        raise StudyError(
            f"column '{text.name}' holds a value that is not {kind}: {error}",
            file=path,
            key=str(text.name),
            fix="correct the value; an unknown number is left empty",
        ) from error


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    floats = frame.select_dtypes("float64").columns
    return frame.assign(**{name: frame[name].map(_round_number) for name in floats})


def _round_number(value: float) -> float:
    if not math.isfinite(value):
        return np.nan if math.isnan(value) else value
    # Adding zero turns -0.0 into 0.0, which would otherwise print differently.
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0
