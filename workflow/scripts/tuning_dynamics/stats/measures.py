"""measures.csv: what a cell's records say beyond its score, a row per cell and measure."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.sparse import eye_array

from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers, without_zero_width
from tuning_dynamics.stats.comparisons import Comparisons
from tuning_dynamics.stats.item_answers import ItemAnswers
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.macro_f1 import macro_f1
from tuning_dynamics.stats.option_measures import BITS, NATS
from tuning_dynamics.stats.seed_means import placed
from tuning_dynamics.stats.skewed_means import skewed_means
from tuning_dynamics.tables.tables import from_rows, typed

MACRO_F1 = "macro_f1"

#: Measures that are losses, of which few items may have most.
LOSSES = (NATS, BITS)

ByColumn = Mapping[str, Floats]

_CHANGE = ("base_value", "change", "change_low", "change_high")


def measure_rows(block: ItemBlock, answers: ItemAnswers) -> pd.DataFrame:
    """Rows of measures.csv for a block's cells: means over items of each cell's measures, and
    macro-F1 of classification; of tuned cells with a base also the change of each mean.

    Intervals are those of scores.csv, for losses those of `skewed_means`; of changes those of
    changes.csv. They are empty, with the standard error, where no item differs, as such an interval
    would claim certainty.
    """
    rows = [_rows(block, *made) for made in _estimates(block, answers)]
    return pd.concat([from_rows([], "measures"), *(part for part in rows if len(part))])


def _estimates(
    block: ItemBlock, answers: ItemAnswers
) -> Iterator[tuple[str, Integers, Estimates, ByColumn]]:
    # One measure at a time, so that memory holds the resamples of one.
    for name in sorted({name for of_cell in answers.measures for name in of_cell}):
        has, values = block.measured(name)
        if name in LOSSES:
            means = skewed_means(values.sums, values.sizes, values.resampling.level)
        else:
            means = values.means(eye_array(len(has), format="csr"))
        yield name, has, means, _changes(values)
    labelled = np.flatnonzero(block.cells["kind"] == "classification")
    if len(labelled):
        unknown = dict.fromkeys(_CHANGE, np.full(len(labelled), np.nan))
        yield MACRO_F1, labelled, macro_f1(block, answers, labelled), unknown


def _changes(values: ItemBlock) -> ByColumn:
    """The columns of changes, (cells,), of a block of a measure's values."""
    compared = Comparisons.of(values)
    found = without_zero_width(compared.changes(values))
    columns = (compared.base_scores(values), found.value, found.low, found.high)
    return {
        name: placed(column, compared.tuned, len(values.cells))
        for name, column in zip(_CHANGE, columns, strict=True)
    }


def _rows(
    block: ItemBlock, name: str, cells: Integers, means: Estimates, changes: ByColumn
) -> pd.DataFrame:
    found = without_zero_width(means)
    table = block.cells.iloc[cells].assign(
        measure=name,
        n=block.items,
        value=found.value,
        se=found.se,
        ci_low=found.low,
        ci_high=found.high,
        **changes,
    )
    return typed(table, "measures")
