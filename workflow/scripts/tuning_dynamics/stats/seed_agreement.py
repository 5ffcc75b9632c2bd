"""seed_agreement.csv: how far models that differ in their seed alone give the same answers."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.stats.item_answers import ItemAnswers
from tuning_dynamics.stats.item_blocks import ItemBlock
from tuning_dynamics.stats.kappa import fleiss_kappa, pairwise_agreement
from tuning_dynamics.tables.columns import IDENTITY
from tuning_dynamics.tables.tables import from_rows

Integers = NDArray[np.int64]

_SEEDLESS = [name for name in IDENTITY if name != "seed"]


def seed_agreement_rows(block: ItemBlock, answers: ItemAnswers) -> pd.DataFrame:
    """Rows of seed_agreement.csv: a block's cells less their seed, of at least two seeds.

    Agreement is the mean over pairs of seeds; corrected for chance it is Fleiss' kappa (1971), of
    labels, and of right and wrong where all scores are 0 or 1.
    """
    tuned = block.cells[block.cells["seed"].notna()]
    groups = [own.index.to_numpy() for _, own in tuned.groupby(_SEEDLESS, sort=False)]
    rows = [_row(block, answers, cells) for cells in groups if len(cells) > 1]
    return from_rows(rows, "seed_agreement")


def _row(block: ItemBlock, known: ItemAnswers, cells: Integers) -> dict[str, object]:
    answers, right = known.answers[:, cells], known.right[:, cells]
    first = block.cells.iloc[cells[0]]
    labelled = first["kind"] == "classification"
    binary = bool(block.binary[cells].all())
    return {
        **first.to_dict(),
        "seed": pd.NA,
        "seeds": len(cells),
        "n": block.items,
        "agreement": pairwise_agreement(answers),
        "kappa": fleiss_kappa(answers) if labelled else float("nan"),
        "right_agreement": pairwise_agreement(right) if binary else float("nan"),
        "right_kappa": fleiss_kappa(right) if binary else float("nan"),
    }
