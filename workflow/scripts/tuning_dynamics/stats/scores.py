"""scores.csv: one row per cell, the mean over items with its interval."""

import pandas as pd

from tuning_dynamics.stats.bootstrap import Estimates
from tuning_dynamics.stats.degenerate import degenerate
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.tables.tables import typed


def score_rows(block: ItemBlock, scores: Estimates) -> pd.DataFrame:
    """Rows of scores.csv for a block's cells; `scores` are their estimates.

    `score` is the mean over items, `se` its standard error, `ci_low`, `ci_high` the bootstrap
    interval; if items share a context, over contexts. `commonest` is the share of the items that
    got the commonest answer, `records` the path of the answers.
    """
    table = block.cells.assign(
        n=block.items,
        score=scores.value,
        se=scores.se,
        ci_low=scores.low,
        ci_high=scores.high,
        truncated=block.truncated,
        commonest=block.commonest,
        degenerate=degenerate(list(block.cells["kind"]), block.commonest, scores.value),
        records=block.paths,
    )
    return typed(table, "scores")
