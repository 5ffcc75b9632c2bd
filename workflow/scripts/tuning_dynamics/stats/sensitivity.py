"""sensitivity.csv: how much a model's score varies with the prompt format."""

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import interval_of, means
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.primary_cells import VARIANT_AND_SET, one_per
from tuning_dynamics.tables.tables import from_rows

_ONE_EVALUATION = [*VARIANT_AND_SET, "prediction", "shots", "draw"]
_KEYS = ("family", "checkpoint", "step", "recipe", "train_set", "seed", "eval_set")


def sensitivity_rows(block: ItemBlock) -> pd.DataFrame:
    """Rows of sensitivity.csv: best minus worst score over formats for each variant of a block.

    Takes variants evaluated in at least 2 formats with the same shots, draw and prediction method
    (of several such groups, the first by `primary_cells.one_per`). The interval is a percentile
    interval, with the same items drawn in all formats: a spread has a kink where two formats are
    equal, which BCa does not allow. A spread is never negative, and chance alone makes it positive:
    compare spreads with one another, not with 0. If a format's cell was refused, there is no
    spread: that of the other formats would be another number.
    """
    cells = block.asked.assign(row=np.arange(len(block.asked)))
    alike = cells.groupby(_ONE_EVALUATION, dropna=False, sort=False)
    cells = cells.assign(group=alike.ngroup(), formats=alike["format"].transform("size"))
    varied = cells[cells["formats"] >= 2]
    kept = varied[varied["group"].isin(one_per(varied, VARIANT_AND_SET)["group"])]
    rows = [
        _row(block, group)
        for _, group in kept.groupby("group", sort=False)
        if group["row"].max() < len(block.cells)
    ]
    return from_rows(rows, "sensitivity")


def _row(block: ItemBlock, group: pd.DataFrame) -> dict[str, object]:
    group = group.sort_values("format")
    rows = group["row"].to_numpy()
    scores, drawn = means(block.sums[:, rows], block.sizes), block.drawn[:, rows]
    spreads = drawn.max(axis=1) - drawn.min(axis=1)
    low, high = interval_of(spreads[:, None], block.resampling.level)[0]
    names, first = group["format"].tolist(), group.iloc[0]
    return {
        **{key: first[key] for key in _KEYS},
        "spread": float(scores.max() - scores.min()),
        "low": float(low),
        "high": float(high),
        "best": names[int(np.argmax(scores))],
        "worst": names[int(np.argmin(scores))],
    }
