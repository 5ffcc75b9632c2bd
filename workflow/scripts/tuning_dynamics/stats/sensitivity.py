"""sensitivity.csv: how far a model's score moves with the prompt format."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Floats, interval_of, resampled_means
from tuning_dynamics.stats.records import read_records
from tuning_dynamics.stats.scores import cell_frame, describe, require_two_items
from tuning_dynamics.stats.select import VARIANT_AND_SET, one_per
from tuning_dynamics.stats.tables import from_rows
from tuning_dynamics.study.errors import StudyError

_ONE_EVALUATION = [*VARIANT_AND_SET, "prediction", "shots"]


def sensitivity_rows(
    cells: Sequence[Mapping[str, Any]], *, resamples: int, level: float, seed: int
) -> pd.DataFrame:
    """sensitivity.csv: best less worst score over formats of each variant and evaluation set.

    Takes those evaluated in at least 2 formats with the same shots and prediction method (of
    several such, the first by `select.one_per`). The interval resamples items, the same ones in
    all formats. A spread is never negative, and chance alone makes it positive: compare spreads
    with one another, not with 0. Raises StudyError where formats were scored on other items.
    """
    frame = cell_frame(cells)
    formats = frame.groupby(_ONE_EVALUATION, dropna=False)["format"].transform("size")
    varied = frame[formats >= 2]
    rows = []
    for _, chosen in one_per(varied, VARIANT_AND_SET).iterrows():
        group = varied[_same(varied, chosen)].sort_values("format")
        rows.append(_row(group, resamples, level, seed))
    return from_rows(rows, "sensitivity")


def _same(frame: pd.DataFrame, chosen: pd.Series) -> pd.Series:
    match = pd.Series(True, index=frame.index)
    for name in _ONE_EVALUATION:
        value = chosen[name]
        same = frame[name].isna() if pd.isna(value) else frame[name].eq(value).fillna(False)
        match &= same.astype(bool)
    return match


def _row(group: pd.DataFrame, resamples: int, level: float, seed: int) -> dict[str, object]:
    scores = _scores_by_format(group)
    means = scores.mean(axis=0)
    drawn = resampled_means(scores, resamples, seed)
    spreads = drawn.max(axis=1) - drawn.min(axis=1)
    low, high = interval_of(spreads[:, None], level)[0]
    names = group["format"].tolist()
    first = group.iloc[0]
    keys = ("family", "checkpoint", "step", "recipe", "train_set", "seed", "eval_set")
    return {
        **{key: first[key] for key in keys},
        "spread": float(means.max() - means.min()),
        "low": float(low),
        "high": float(high),
        "best": names[int(np.argmax(means))],
        "worst": names[int(np.argmin(means))],
    }


def _scores_by_format(group: pd.DataFrame) -> Floats:
    """Scores of one variant and set, (items, formats)."""
    columns, items = [], None
    for _, cell in group.iterrows():
        records = read_records(Path(cell["path"]))
        require_two_items(len(records), Path(cell["path"]))
        found = records["item"].tolist()
        if items is not None and found != items:
            raise StudyError(
                f"{len(set(items) ^ set(found))} items are scored in one format only: "
                f"{describe(cell)}",
                file=cell["path"],
                key="item",
                fix="delete the file and run again, so that all formats use the frozen split",
            )
        items = found
        columns.append(records["score"].to_numpy(dtype=float))
    return np.column_stack(columns)
