"""Tables as LaTeX, to be read into a paper: longtable and booktabs, numbers rounded for print.

CSV and parquet have the numbers in full. The fragment needs the packages booktabs and longtable,
pdflscape where it has many columns, and inputenc with utf8 in old installations.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tuning_dynamics.common.registry import Kinds

#: What each table is, as its caption in print.
CAPTIONS: Kinds[str, str] = {
    "scores": "Score of every cell, with its interval.",
    "changes": "Change of each tuned cell against its base.",
    "transfer": "Change by kind of train set and of evaluation set.",
    "groups": "Sets learned in pre-training and others.",
    "group_changes": "Mean change by tuning of each group's sets.",
    "sensitivity": "Spread of scores over prompt formats.",
    "noise": "What differs although nothing should: the noise floor.",
    "checkpoints": "Checkpoints: where each came from, and its loss on a fixed text.",
    "datasets": "Datasets: where each split came from.",
    "unpaired": "Cells that were refused, and tuned cells without a base to be compared with.",
    "seed_means": "Means over seeds, with their intervals.",
    "denominators": "Base scores that a ratio of change divides by.",
    "group_rules": "The groups' difference under other rules of what is learned.",
    "turning_points": "Where scores stop rising, in tokens.",
    "latent_gain": "Slope of the gain by tuning along pre-training.",
    "format_trend": "Slope of the spread over prompt formats along pre-training.",
    "forgetting": "Change by task tuned on and task evaluated.",
    "findings": "What the tables say on each finding.",
    "comparison": "Cells that two studies share, and how they differ.",
    "unshared": "Cells that only one of two studies has.",
    "cost": "What each job took.",
}

#: A table with more columns is printed on its side.
MOST_UPRIGHT = 10
#: Text longer than so many letters is broken into lines.
LONGEST = 32
NOTHING = "---"

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "\n": " ",
        "\N{MINUS SIGN}": "$-$",
    }
)


def latex_table(frame: pd.DataFrame, name: str) -> str:
    """The typed table called `name` as LaTeX, labelled tab:name; what is empty is an em dash."""
    columns = [_column(frame[column]) for column in frame.columns]
    heads = " & ".join(escaped(str(column).replace("_", " ")) for column in frame.columns)
    wide = len(frame.columns) > MOST_UPRIGHT
    return "".join(
        [
            f"% {name}: needs booktabs, longtable{', pdflscape' if wide else ''}\n",
            "\\begin{landscape}\\tiny\n" if wide else "\\begingroup\\scriptsize\n",
            "\\setlength{\\tabcolsep}{3pt}\n",
            f"\\begin{{longtable}}{{{''.join(_align(frame[column]) for column in frame)}}}\n",
            f"\\caption{{{escaped(CAPTIONS[name])}}}\\label{{tab:{name}}}\\\\\n",
            f"\\toprule\n{heads} \\\\\n\\midrule\n\\endfirsthead\n",
            f"\\toprule\n{heads} \\\\\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n",
            *(f"{' & '.join(row)} \\\\\n" for row in zip(*columns, strict=True)),
            "\\end{longtable}\n",
            "\\end{landscape}\n" if wide else "\\endgroup\n",
        ]
    )


def escaped(text: str) -> str:
    """The text with LaTeX's own signs written out."""
    return text.translate(_ESCAPES)


def _column(values: pd.Series) -> list[str]:
    """One column's fields."""
    if pd.api.types.is_float_dtype(values.dtype):
        return _fields(values, printed)
    if pd.api.types.is_integer_dtype(values.dtype):
        return _fields(values, lambda value: _signed(str(int(value))))
    # `cache`: names come again and again.
    return _fields(values.where(values != "", None), cache(lambda value: escaped(str(value))))


def _fields(values: pd.Series, write: Callable[[Any], str]) -> list[str]:
    empty = values.isna().tolist()
    return [
        NOTHING if missing else write(value)
        for value, missing in zip(values.tolist(), empty, strict=True)
    ]


def printed(value: float) -> str:
    """A number with three decimals, or three digits where that would show none or too many."""
    if not np.isfinite(value):
        return "$-\\infty$" if value < 0 else "$\\infty$"
    size = abs(value)
    if value == 0 or 0.001 <= size < 1e5:
        return _signed(f"{value:.3f}")
    digits, power = f"{value:.2e}".split("e")
    return f"${digits} \\times 10^{{{int(power)}}}$"


def _signed(number: str) -> str:
    return f"$-${number[1:]}" if number.startswith("-") else number


def _align(values: pd.Series) -> str:
    """Numbers to the right, text to the left; long text in lines of a fixed width."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return "r"
    return f"p{{{LONGEST / 8:g}cm}}" if values.str.len().max() > LONGEST else "l"
