"""The untuned cell that a tuned one is compared with."""

import pandas as pd

from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT

#: What a tuned cell and its base cell have in common.
SAME = ["family", "checkpoint", "eval_set", "prediction", "metric"]


def base_rows(frame: pd.DataFrame, *, equal_shots: bool = False) -> pd.Series:
    """The label of each tuned row's base row, NA if it has none; indexed by tuned rows' labels.

    `frame` has the key columns of scores.csv and unique labels. A tuned row's base agrees with it
    in SAME; of several, the one in the tuned row's format is taken, else the one in format
    `default`, of those the one with most shots, and of several draws the first. With `equal_shots`,
    only base rows with the tuned row's number of shots count.
    """
    same = [*SAME, "shots"] if equal_shots else SAME
    ordered = frame.sort_values(["shots", "draw"], ascending=[False, True], kind="stable")
    base = ordered[ordered["recipe"] == "base"]
    tuned = frame[frame["recipe"] != "base"]
    in_format = _found(tuned, base, [*same, "format"])
    in_default = _found(tuned, base[base["format"] == DEFAULT_FORMAT], same)
    return in_format.fillna(in_default)


def _found(tuned: pd.DataFrame, base: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The label of the first row of `base` that agrees with each tuned row in `columns`."""
    first = base.assign(_base=base.index).drop_duplicates(columns)[[*columns, "_base"]]
    found = tuned[columns].merge(first, on=columns, how="left")["_base"]
    return pd.Series(found.astype("Int64").to_numpy(), index=tuned.index, dtype="Int64")


def unpaired_reason(tuned: pd.Series, base: pd.DataFrame) -> str:
    """Why a tuned row has no base row among the rows `base`, in words."""
    found = base
    for name in SAME:
        found = found[found[name] == tuned[name]]
        if found.empty:
            return f"no base cell of this {name.replace('_', ' ')}"
    formats = ", ".join(sorted(set(found["format"])))
    return f"base is evaluated in format {formats}, not in {tuned['format']} or {DEFAULT_FORMAT}"
