"""Cells that were refused for the content of their input, and have no records."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tuning_dynamics.common.errors import StudyError, shorten
from tuning_dynamics.stats.records import refusal

#: Prefixes of reasons in unpaired.csv: for a refused cell, and a tuned cell with a refused base.
REFUSED, BASE_REFUSED = "refused: ", "its base cell was refused: "

#: Number of reasons that an error lists separately.
NAMED = 8


def refused_cells(cells: pd.DataFrame, leaked: Mapping[str, str]) -> pd.DataFrame:
    """The rows of `cells` that were refused, with the columns `text`, the reason in full, and
    `reason`, its first line.

    `cells` has the `path` of each one's records; `leaked` has reasons by path, of cells that have
    records. StudyError as for `refusal`.
    """
    reasons = [refusal(Path(path)) or leaked.get(path) for path in cells["path"]]
    texts = pd.Series(reasons, cells.index, dtype="str")
    refused = cells.assign(text=texts)[texts.notna()]
    first_lines = [shorten(text.partition("\n")[0], 200) for text in refused["text"]]
    return refused.assign(reason=pd.Series(first_lines, refused.index, dtype="str"))


def are_refused(unpaired: pd.DataFrame) -> pd.Series:
    """Which rows of unpaired.csv are cells that were refused."""
    return unpaired["reason"].str.startswith(REFUSED)


def leave_out(refused: pd.DataFrame, cells: int, *, partial: bool) -> None:
    """Print which of `cells` cells are in no table: `refused`, rows of `refused_cells`.

    StudyError if there are any and the study is not `partial`, or if all cells were refused.
    """
    if refused.empty:
        return
    lines = [f"{len(refused):,} of {cells:,} cells were refused:", *reason_lines(refused)]
    if refused["reason"].nunique() == 1:
        lines += [f"  {line}" for line in refused["text"].iloc[0].splitlines()[1:]]
    words = "\n".join(lines)
    if partial and len(refused) < cells:
        print(f"Left out, as the study is partial: {words}")
        return
    fix = "fix the data or settings that are named, and run the same command again"
    without = "; or make tables without these cells: --config partial=true"
    raise StudyError(
        words,
        file=refused["path"].iloc[0],
        key="partial",
        value=partial,
        fix=fix + (without if len(refused) < cells else ""),
    )


def reason_lines(refused: pd.DataFrame) -> list[str]:
    """A line per reason, most cells first: how many cells, of which sets, and why."""
    counts = refused["reason"].value_counts()
    rare = refused["reason"].isin(counts.index[NAMED:])
    other = f"{max(0, len(counts) - NAMED)} other reasons"
    shown = refused.assign(reason=refused["reason"].mask(rare, other), rare=rare)
    return [
        f"  {len(own):,} {'cell' if len(own) == 1 else 'cells'} of "
        f"{', '.join(sorted(own['eval_set'].unique()))}: {reason}"
        for reason, own in sorted(
            shown.groupby("reason"), key=lambda group: (group[1]["rare"].any(), -len(group[1]))
        )
    ]
