"""seed_means.csv: each cell's mean over seeds of tuning and draws of demonstrations."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers, without_zero_width
from tuning_dynamics.stats.cells import ORDER_KEYS
from tuning_dynamics.stats.comparisons import Comparisons
from tuning_dynamics.stats.item_blocks import ItemBlock, averaged
from tuning_dynamics.stats.option_measures import PROBABILITY
from tuning_dynamics.stats.replicates import Factor, Shares, over_replicates
from tuning_dynamics.tables.columns import IDENTITY
from tuning_dynamics.tables.tables import typed

#: What differs between the cells of one mean.
REPLICATED = ("seed", "draw")
_PROBABILITY = ("probability", "probability_low", "probability_high")
SEEDLESS = [name for name in IDENTITY if name not in REPLICATED]
SEEDLESS_ORDER = [name for name in ORDER_KEYS if name not in REPLICATED]


def seed_mean_rows(block: ItemBlock, compared: Comparisons) -> pd.DataFrame:
    """Rows of seed_means.csv: a block's cells less their seed and draw.

    Intervals are over seeds, draws and items (`replicates`); with one of each, over items. `base`
    has no seeds and no change; a tuned cell without a base has no change either.
    """
    groups, first = grouped(block.cells)
    score = mean_scores(block, groups)
    own = groups[compared.tuned]
    has_change = np.unique(own)
    change = mean_changes(block, compared, np.searchsorted(has_change, own))
    table = block.cells.iloc[first].drop(columns=list(REPLICATED)).reset_index(drop=True)
    untuned = table["recipe"] == "base"
    table = table.assign(
        seeds=_counted(block.cells, groups, "seed").mask(untuned),
        draws=_counted(block.cells, groups, "draw"),
        n=block.items,
        score=score.value,
        # The interval of two seeds may exceed the range of scores, 0 to 1.
        ci_low=np.clip(score.low, 0, 1),
        ci_high=np.clip(score.high, 0, 1),
        base_score=placed(compared.base_scores(block), own, len(table)),
        change=placed(change.value, has_change, len(table)),
        change_low=placed(np.clip(change.low, -1, 1), has_change, len(table)),
        change_high=placed(np.clip(change.high, -1, 1), has_change, len(table)),
        **_probabilities(block, groups, len(table)),
    )
    return typed(table, "seed_means")


def _probabilities(block: ItemBlock, groups: Integers, size: int) -> dict[str, Floats]:
    """The columns of the probability of the right option, (size,), means over each group's cells;
    NaN where it is not recorded."""
    answers = block.answers
    if answers is None or not any(PROBABILITY in of_cell for of_cell in answers.measures):
        return dict.fromkeys(_PROBABILITY, np.full(size, np.nan))
    cells, values = block.measured(PROBABILITY)
    has, own = np.unique(groups[cells], return_inverse=True)
    found = without_zero_width(mean_scores(values, own))
    columns = (found.value, np.clip(found.low, 0, 1), np.clip(found.high, 0, 1))
    return {
        name: placed(column, has, size) for name, column in zip(_PROBABILITY, columns, strict=True)
    }


def grouped(cells: pd.DataFrame) -> tuple[Integers, Integers]:
    """Each cell's group of cells that differ only in seed and draw, and the first cell of each."""
    groups = cells.groupby(SEEDLESS, sort=False).ngroup().to_numpy()
    return groups, np.unique(groups, return_index=True)[1]


def mean_scores(block: ItemBlock, groups: Integers) -> Estimates:
    """Means of the cells of each group, (groups,), with intervals over seeds, draws and items."""
    rows = np.arange(len(groups))
    weights = averaged(rows, groups, len(groups))
    factors = [
        Factor(block.means(averaged(rows, parts, len(groups))), owners)
        for parts, owners in _replicated(block.cells, rows, groups)
    ]
    shares = Shares(block.all_binary(weights), block.items)
    means, level = block.means(weights), block.resampling.level
    return over_replicates(means, factors, level, shares)


def mean_changes(block: ItemBlock, compared: Comparisons, groups: Integers) -> Estimates:
    """Means of the changes of each group of tuned cells, (groups,), with intervals over the seeds
    and draws of both sides and over items. `groups` is that of each of `compared.tuned`."""
    tuned, cells = compared.tuned, len(block.cells)
    first = np.unique(groups, return_index=True)[1]
    base = compared.base_weights(cells)[:, compared.base[first]]
    after = averaged(tuned, groups, cells)
    factors = []
    for parts, owners in _replicated(block.cells, tuned, groups):
        weights = averaged(tuned, parts, cells) - base[:, owners]
        factors.append(Factor(block.differences(weights), owners))
    factors += compared.base_draws(block, after, compared.base[first])
    return over_replicates(block.differences(after - base), factors, block.resampling.level)


def _replicated(
    cells: pd.DataFrame, rows: Integers, groups: Integers
) -> Iterator[tuple[Integers, Integers]]:
    """For seeds and for draws, where a group of `rows` has several: each row's part of its group,
    and the group of each part."""
    own = cells.iloc[rows]
    for name in REPLICATED:
        keys = pd.DataFrame({"group": groups, "part": own[name].to_numpy()})
        parts = keys.groupby(["group", "part"], sort=False, dropna=False).ngroup().to_numpy()
        owners = groups[np.unique(parts, return_index=True)[1]]
        if len(owners) > len(np.unique(groups)):
            yield parts, owners


def _counted(cells: pd.DataFrame, groups: Integers, name: str) -> pd.Series:
    """How many different seeds or draws each group has."""
    return cells[name].groupby(groups).nunique(dropna=False).astype("Int64")


def placed(values: Floats, rows: Integers, size: int) -> Floats:
    """Values at some rows of (size,), NaN elsewhere."""
    placed: Floats = np.full(size, np.nan)
    placed[rows] = values
    return placed
