"""Tables as LaTeX, to include in a paper: longtable and booktabs, numbers rounded for print.

CSV and parquet have the numbers in full. The fragment needs the packages booktabs and longtable,
pdflscape where it has many columns, and inputenc with utf8 in old installations.
"""

import numpy as np
import pandas as pd

#: A table with more columns is printed in landscape.
MOST_UPRIGHT = 10
#: Text longer than this many letters is broken into lines.
LONGEST = 32
NOTHING = "---"

#: Characters that pandas does not escape.
_ESCAPES = str.maketrans(
    {
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "\n": " ",
        "\N{MINUS SIGN}": "$-$",
    }
)


def latex_table(frame: pd.DataFrame, name: str, caption: str) -> str:
    """The typed table called `name` as LaTeX, labelled tab:name; empty fields are an em dash."""
    wide = len(frame.columns) > MOST_UPRIGHT
    empty = frame.replace("", None)
    style = empty.style.hide(axis="index").format_index(_head, axis="columns", escape="latex")
    table = style.format(_field, na_rep=NOTHING, escape="latex").to_latex(
        environment="longtable",
        hrules=True,
        column_format="".join(_align(frame[column]) for column in frame),
        caption=caption,
        label=f"tab:{name}",
    )
    return "".join(
        [
            f"% {name}: needs booktabs, longtable{', pdflscape' if wide else ''}\n",
            "\\begin{landscape}\\tiny\n" if wide else "\\begingroup\\scriptsize\n",
            "\\setlength{\\tabcolsep}{3pt}\n",
            table,
            "\\end{landscape}\n" if wide else "\\endgroup\n",
        ]
    )


def _head(column: str) -> str:
    return column.replace(r"\_", " ")


def _field(value: object) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, float):
        return printed(value)
    return _signed(str(value))


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
