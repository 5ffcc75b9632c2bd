"""halves.csv: base scores on one half of the items, changes by tuning on the other."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Integers
from tuning_dynamics.stats.comparisons import Comparisons
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.seed_means import (
    REPLICATED,
    grouped,
    mean_changes,
    mean_scores,
    placed,
)
from tuning_dynamics.tables.tables import typed

# A stream of its own: the bootstrap draws with the same seed.
_STREAM = 2

# Each half needs 2 units to show noise.
_LEAST = 4


def half_rows(block: ItemBlock, compared: Comparisons) -> pd.DataFrame:
    """Rows of halves.csv for a block's cells. Of fewer than 4 items or contexts, both halves are
    all of them."""
    units = len(block.sizes)
    order = np.random.default_rng([block.resampling.seed, _STREAM]).permutation(units)
    parts = np.array_split(order, 2) if units >= _LEAST else [order, order]
    first, second = (_part(block, np.sort(part)) for part in parts)
    groups, rows = grouped(block.cells)
    score = mean_scores(first, groups)
    own = groups[compared.tuned]
    has_change = np.unique(own)
    change = mean_changes(second, compared, np.searchsorted(has_change, own))
    cells = block.cells.iloc[rows].reset_index(drop=True)
    untuned = (cells["recipe"] == "base").to_numpy()
    table = cells.drop(columns=list(REPLICATED)).assign(
        first_score=np.where(untuned, score.value, np.nan),
        first_se=np.where(untuned, score.se, np.nan),
        second_change=placed(change.value, has_change, len(cells)),
        second_se=placed(change.se, has_change, len(cells)),
    )
    return typed(table, "halves")


def _part(block: ItemBlock, units: Integers) -> ItemBlock:
    """The block with some of its units. Intervals are not used, so there are no draws.

    Scores that are all 0, or all 1, on these units are shares there, whatever they are elsewhere.
    """
    sums, sizes = block.sums[units], block.sizes[units]
    agree = (sums == 0).all(axis=0) | (sums == sizes[:, None]).all(axis=0)
    binary = block.binary | agree
    return replace(block, sums=sums, sizes=sizes, drawn=block.drawn[:2], binary=binary)
