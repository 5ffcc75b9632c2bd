"""item_changes.csv: the items that tuning made right, and those that it made wrong."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.kappa import cohen_kappa, corrected
from tuning_dynamics.tables.tables import typed

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def item_change_rows(block: ItemBlock, tuned: Integers, bases: Integers) -> pd.DataFrame:
    """Rows of item_changes.csv for the block's cells `tuned`, whose base cells are `bases`, where
    all scores of both are 0 or 1.

    Expected counts, and the chance in kappa, are those of answers whose being right or wrong is
    independent of the base's, with both scores as they are (Cohen 1960). `lost` over n is the
    negative flip rate (Yan et al. 2021, CVPR).
    """
    binary = block.answers.binary
    kept = binary[tuned] & binary[bases]
    tuned, bases = tuned[kept], bases[kept]
    after, before = block.answers.right[:, tuned], block.answers.right[:, bases]
    items = len(after)
    right_after, right_before = after.mean(axis=0), before.mean(axis=0)
    chance = right_after * right_before + (1 - right_after) * (1 - right_before)
    table = block.cells.iloc[tuned].assign(
        n=items,
        gained=(after & ~before).sum(axis=0),
        lost=(before & ~after).sum(axis=0),
        kept_right=(after & before).sum(axis=0),
        kept_wrong=(~after & ~before).sum(axis=0),
        gained_by_chance=items * right_after * (1 - right_before),
        lost_by_chance=items * right_before * (1 - right_after),
        right_kappa=_corrected((after == before).mean(axis=0), chance),
        agreement=_equal_answers(block, tuned, bases),
        kappa=_kappas(block, tuned, bases),
    )
    return typed(table, "item_changes")


def _corrected(agreement: Floats, chance: Floats) -> list[float]:
    return [corrected(*pair) for pair in zip(agreement, chance, strict=True)]


def _equal_answers(block: ItemBlock, tuned: Integers, bases: Integers) -> Floats:
    answers = block.answers.answers
    return np.asarray((answers[:, tuned] == answers[:, bases]).mean(axis=0))


def _kappas(block: ItemBlock, tuned: Integers, bases: Integers) -> list[float]:
    """Cohen's kappa of the answers of each pair of cells; NaN where answers are no labels."""
    answers = block.answers.answers
    labelled = (block.cells["kind"] == "classification").to_numpy()
    return [
        cohen_kappa(answers[:, cell], answers[:, base]) if labelled[cell] else float("nan")
        for cell, base in zip(tuned, bases, strict=True)
    ]
