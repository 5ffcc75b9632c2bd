"""measures.csv: what a cell's records say beyond its score, a row per cell and measure."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers, resampled_means, unit_sums
from tuning_dynamics.stats.item_answers import ItemAnswers
from tuning_dynamics.stats.item_blocks import ItemBlock, selected
from tuning_dynamics.stats.macro_f1 import macro_f1
from tuning_dynamics.stats.option_measures import BITS, NATS
from tuning_dynamics.stats.skewed_means import skewed_means
from tuning_dynamics.tables.tables import from_rows, typed

MACRO_F1 = "macro_f1"

#: Measures that are losses, of which few items may have most.
LOSSES = (NATS, BITS)

# An interval this narrow has its width from rounding: no resample differs from another.
_ROUNDING = 1e-12


def measure_rows(block: ItemBlock, answers: ItemAnswers) -> pd.DataFrame:
    """Rows of measures.csv for a block's cells: means over items of each cell's measures, and
    macro-F1 of classification.

    Intervals are those of scores.csv, for losses those of `skewed_means`; empty, with the standard
    error, where no item differs, as such an interval would claim certainty.
    """
    rows = [_rows(block, *made) for made in _estimates(block, answers)]
    return pd.concat([from_rows([], "measures"), *(part for part in rows if len(part))])


def _estimates(block: ItemBlock, answers: ItemAnswers) -> Iterator[tuple[str, Integers, Estimates]]:
    measures = answers.measures
    # One measure at a time, so that memory holds the resamples of one.
    for name in sorted({name for of_cell in measures for name in of_cell}):
        has = np.flatnonzero([name in of_cell for of_cell in measures])
        values = np.column_stack([measures[cell][name] for cell in has])
        sums = unit_sums(values, answers.units)
        estimated = _of_losses if name in LOSSES else _over_items
        yield name, has, estimated(block, has, sums)
    labelled = np.flatnonzero(block.cells["kind"] == "classification")
    if len(labelled):
        yield MACRO_F1, labelled, macro_f1(block, answers, labelled)


def _of_losses(block: ItemBlock, _cells: Integers, sums: Floats) -> Estimates:
    return skewed_means(sums, block.sizes, block.resampling.level)


def _over_items(block: ItemBlock, cells: Integers, sums: Floats) -> Estimates:
    """Means of `sums` (units, cells) with the intervals that scores of these cells would have."""
    drawing = block.resampling
    of_values = replace(
        block,
        cells=block.cells.iloc[cells].reset_index(drop=True),
        sums=sums,
        drawn=resampled_means(sums, block.sizes, drawing.resamples, drawing.seed),
        binary=np.zeros(len(cells), dtype=bool),
        answers=None,
    )
    return of_values.estimates(selected(np.arange(len(cells)), len(cells)))


def _rows(block: ItemBlock, name: str, cells: Integers, found: Estimates) -> pd.DataFrame:
    certain = found.high - found.low <= _ROUNDING * np.maximum(1.0, np.abs(found.value))
    table = block.cells.iloc[cells].assign(
        measure=name,
        n=block.items,
        value=found.value,
        se=np.where(certain, np.nan, found.se),
        ci_low=np.where(certain, np.nan, found.low),
        ci_high=np.where(certain, np.nan, found.high),
    )
    return typed(table, "measures")
