"""sensitivity.csv: how much a model's score varies with the prompt format."""

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Floats, Integers, means
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.primary_cells import VARIANT_AND_SET, one_per
from tuning_dynamics.tables.tables import from_rows

_ONE_EVALUATION = [*VARIANT_AND_SET, "prediction", "shots", "draw"]
_KEYS = ("family", "checkpoint", "step", "recipe", "train_set", "seed", "eval_set")


# Rotations of formats from which the spread by chance comes.
ROTATIONS = 200

# Scores lie in [0, 1]; spreads closer than this differ only by rounding.
_ROUNDING = 1e-12


def sensitivity_rows(block: ItemBlock) -> pd.DataFrame:
    """Rows of sensitivity.csv: best minus worst score over formats for each variant of a block.

    Takes variants evaluated in at least 2 formats with the same shots, draw and prediction method
    (of several such groups, the first by `primary_cells.one_per`). A spread is never negative, and
    chance alone makes it positive: `chance` is its mean where each item's scores change places
    among the formats, by rotations drawn for each item (or context). If a format's cell was
    refused, there is no spread: that of the other formats would be another number.
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
    sums = block.sums[:, group["row"].to_numpy()]
    scores = means(sums, block.sizes)
    spread = float(np.ptp(scores))
    rotated = rotated_spreads(sums, block.sizes, block.resampling.seed)
    chance = float(rotated.mean())
    reached = int((rotated >= spread - _ROUNDING).sum())
    names, first = group["format"].tolist(), group.iloc[0]
    return {
        **{key: first[key] for key in _KEYS},
        "spread": spread,
        "chance": chance,
        "beyond_chance": spread - chance,
        "p_value": (reached + 1) / (ROTATIONS + 1),
        "best": names[int(np.argmax(scores))],
        "worst": names[int(np.argmin(scores))],
    }


def rotated_spreads(sums: Floats, sizes: Floats, seed: int) -> Floats:
    """Spreads over formats, (ROTATIONS,), where each unit's scores move on by a random number of
    formats: if formats are equal, their order means nothing. `sums` is (units, formats)."""
    formats = sums.shape[1]
    turns: Integers = np.random.default_rng(seed).integers(0, formats, (ROTATIONS, len(sums)))
    scores = np.zeros((ROTATIONS, formats))
    for turn in range(formats):
        scores += (turns == turn).astype(float) @ np.roll(sums, turn, axis=1)
    return np.asarray(np.ptp(scores, axis=1) / sizes.sum())
