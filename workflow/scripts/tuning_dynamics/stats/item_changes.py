"""item_changes.csv: the items that tuning made right, and those that it made wrong."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.stats.comparisons import Comparisons
from tuning_dynamics.stats.item_answers import ItemAnswers
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.kappa import cohen_kappa, corrected
from tuning_dynamics.tables.tables import typed

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def item_change_rows(block: ItemBlock, answers: ItemAnswers, compared: Comparisons) -> pd.DataFrame:
    """Rows of item_changes.csv for the block's tuned cells that have a base, where all scores of
    both are 0 or 1.

    Each tuned cell is compared with every draw of its base's setting, and what is found is
    averaged. Expected counts, and the chance in kappa, are those of answers whose being right or
    wrong is independent of the base's, with both scores as they are (Cohen 1960). `lost` over n
    is the negative flip rate (Yan et al. 2021, CVPR).
    """
    owners, after, before = _pairs(block, compared)
    found = {**_counts(answers.right, after, before), **_agreement(block, answers, after, before)}
    draws = np.bincount(owners, minlength=len(compared.tuned))
    kept = draws > 0
    means = {
        name: np.bincount(owners, weights=values, minlength=len(kept))[kept] / draws[kept]
        for name, values in found.items()
    }
    table = block.cells.iloc[compared.tuned[kept]].assign(n=block.items, **means)
    return typed(table, "item_changes")


def _pairs(block: ItemBlock, compared: Comparisons) -> tuple[Integers, Integers, Integers]:
    """Pairs of a tuned cell and a base cell, (pairs,): the place of the first in `compared.tuned`,
    and the rows of both. A tuned cell has none if it or a base cell of it is not binary."""
    together = compared.settings == compared.base[:, None]
    binary = block.binary[compared.tuned] & ~(together & ~block.binary[compared.base_cells]).any(1)
    owners, places = np.nonzero(together & binary[:, None])
    return owners, compared.tuned[owners], compared.base_cells[places]


def _counts(right: Flags, after: Integers, before: Integers) -> dict[str, Floats]:
    now, once, items = right[:, after], right[:, before], len(right)
    score, base = now.mean(axis=0), once.mean(axis=0)
    return {
        "gained": (now & ~once).sum(axis=0),
        "lost": (once & ~now).sum(axis=0),
        "kept_right": (now & once).sum(axis=0),
        "kept_wrong": (~now & ~once).sum(axis=0),
        "gained_by_chance": items * score * (1 - base),
        "lost_by_chance": items * base * (1 - score),
        "right_kappa": _corrected(
            (now == once).mean(axis=0), score * base + (1 - score) * (1 - base)
        ),
    }


def _corrected(agreement: Floats, chance: Floats) -> Floats:
    pairs = zip(agreement.tolist(), chance.tolist(), strict=True)
    return np.array([corrected(*pair) for pair in pairs])


def _agreement(
    block: ItemBlock, known: ItemAnswers, after: Integers, before: Integers
) -> dict[str, Floats]:
    """Share of equal answers of each pair of cells, and Cohen's kappa of them: NaN where answers
    are no labels."""
    answers = known.answers
    labelled = (block.cells["kind"] == "classification").to_numpy()
    kappas = [
        cohen_kappa(answers[:, cell], answers[:, base]) if labelled[cell] else float("nan")
        for cell, base in zip(after, before, strict=True)
    ]
    equal = (answers[:, after] == answers[:, before]).mean(axis=0)
    return {"agreement": equal, "kappa": np.array(kappas)}
