"""seed_means.csv: each cell's mean over seeds of tuning, with intervals over seeds and items."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers, over_seeds
from tuning_dynamics.stats.cells import ORDER_KEYS
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.tables.columns import IDENTITY
from tuning_dynamics.tables.tables import typed

SEEDLESS = [name for name in IDENTITY if name not in ("seed", "draw")]
SEEDLESS_ORDER = [name for name in ORDER_KEYS if name not in ("seed", "draw")]


def seed_mean_rows(
    block: ItemBlock,
    scores: Estimates,
    tuned: NDArray[np.int64],
    bases: NDArray[np.int64],
    changes: Estimates,
) -> pd.DataFrame:
    """Rows of seed_means.csv: a block's cells less their seed.

    `scores` are estimates of all cells, `changes` those of `tuned` less `bases`. Intervals are
    hierarchical (`bootstrap.over_seeds`); with one seed they are those over items. `base` has no
    seeds and no change; a tuned cell without a base has no change either.
    """
    groups, first = _groups(block.cells)
    seeds = np.bincount(groups)
    score = _mean_over_seeds(block, groups, np.arange(len(groups)), None, scores)
    own = groups[tuned]
    has_change = np.unique(own)
    change = _mean_over_seeds(block, np.searchsorted(has_change, own), tuned, bases, changes)
    base_score = block.sums[:, bases].sum(axis=0) / block.items
    table = block.cells.iloc[first].drop(columns=["seed", "draw"]).reset_index(drop=True)
    untuned = table["recipe"] == "base"
    table = table.assign(
        seeds=pd.Series(seeds, dtype="Int64").mask(untuned),
        n=block.items,
        score=score.value,
        # The interval of two seeds may exceed the range of scores, 0 to 1.
        ci_low=np.clip(score.low, 0, 1),
        ci_high=np.clip(score.high, 0, 1),
        base_score=_placed(base_score, own, len(table)),
        change=_placed(change.value, has_change, len(table)),
        change_low=_placed(np.clip(change.low, -1, 1), has_change, len(table)),
        change_high=_placed(np.clip(change.high, -1, 1), has_change, len(table)),
    )
    return typed(table, "seed_means")


def _groups(cells: pd.DataFrame) -> tuple[Integers, Integers]:
    """Each cell's group of cells that differ only in seed, and the first cell of each group."""
    groups = cells.groupby(SEEDLESS, sort=False).ngroup().to_numpy()
    return groups, np.unique(groups, return_index=True)[1]


def _mean_over_seeds(
    block: ItemBlock,
    groups: Integers,
    rows: Integers,
    less: Integers | None,
    each: Estimates,
) -> Estimates:
    """Means over seeds of the cells `rows`, less the cells `less` if given."""
    share = 1.0 / np.bincount(groups)[groups]
    shape = (len(block.cells), int(groups.max(initial=-1)) + 1)
    weights = csr_array((share, (rows, groups)), shape=shape)
    if less is not None:
        weights = weights - csr_array((share, (less, groups)), shape=shape)
    return over_seeds(each, groups, block.estimates(weights), block.resampling.level)


def _placed(values: Floats, rows: Integers, size: int) -> Floats:
    placed: Floats = np.full(size, np.nan)
    placed[rows] = values
    return placed
