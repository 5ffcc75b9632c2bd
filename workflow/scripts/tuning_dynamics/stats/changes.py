"""changes.csv: each tuned cell against the untuned checkpoint, paired over items."""

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Floats
from tuning_dynamics.stats.comparisons import Comparisons
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.permutation import sign_flip_p_values
from tuning_dynamics.stats.seed_means import placed
from tuning_dynamics.tables.tables import typed

# Below this base score a ratio says more about the denominator than about tuning: one of +491 %
# over a base of 0.019 once moved a published mean of 32 ratios.
RATIO_FLOOR = 0.02

PERMUTATIONS = 9999


def change_rows(
    block: ItemBlock,
    compared: Comparisons,
    equal: Comparisons,
    permutations: int = PERMUTATIONS,
) -> pd.DataFrame:
    """Rows of changes.csv for the block's tuned cells that have a base.

    A change is tuned minus base over the same items, the base's draws of demonstrations averaged;
    its interval is over items and these draws; `equal` compares with a base of as many shots.
    `ratio` is change / base score, empty below RATIO_FLOOR; `p_value` a sign-flip test over items,
    or over contexts if items share one. `q_value` is left empty: it needs the tests of all blocks.
    """
    tuned, changes = compared.tuned, compared.changes(block)
    after = block.sums[:, tuned]
    before = (block.sums @ compared.base_weights(len(block.cells)))[:, compared.base]
    p_values = sign_flip_p_values(after - before, permutations, block.resampling.seed)
    base_score = compared.base_scores(block)
    change, rows = equal.changes(block), equal.tuned
    table = block.cells.iloc[tuned].assign(
        base_shots=compared.base_shots(block),
        base_score=base_score,
        tuned_score=after.sum(axis=0) / block.items,
        change=changes.value,
        change_low=changes.low,
        change_high=changes.high,
        ratio=ratios(changes.value, base_score),
        **{
            name: placed(values, rows, len(block.cells))[tuned]
            for name, values in (
                ("equal_base_score", equal.base_scores(block)),
                ("equal_change", change.value),
                ("equal_low", change.low),
                ("equal_high", change.high),
            )
        },
        p_value=p_values,
        q_value=np.nan,
    )
    return typed(table, "changes")


def ratios(change: Floats, base: Floats) -> Floats:
    """change / base, NaN if the base is below RATIO_FLOOR."""
    safe = base >= RATIO_FLOOR
    unknown: Floats = np.full(len(change), np.nan)
    return np.divide(change, base, out=unknown, where=safe)
