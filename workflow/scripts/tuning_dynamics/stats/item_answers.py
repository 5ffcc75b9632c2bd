"""What cells answered, item by item: kept for a block, for tables that compare answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class CellItems:
    """One cell's items, each field of shape (items,): scores by its metric, codes of its answers,
    and its measures by name; the number of truncated prompts, and the share of items with the
    commonest answer."""

    scores: Floats
    answers: Codes
    measures: dict[str, Floats]
    truncated: int
    commonest: float


@dataclass(frozen=True)
class ItemAnswers:
    """The items of a block's cells.

    `units` (items,) is each item's unit of resampling, `gold` (items,) the code of its first right
    answer; `answers` (items, cells) are codes of answers, `right` (items, cells) whether each
    scored 1; `measures` has a dictionary per cell.
    """

    units: Integers
    gold: Codes
    answers: Codes
    right: NDArray[np.bool_]
    measures: tuple[dict[str, Floats], ...]


def answers_of(cells: Sequence[CellItems], units: Integers, gold: Codes) -> ItemAnswers:
    """The items of several cells side by side."""
    return ItemAnswers(
        units=units,
        gold=gold,
        answers=np.column_stack([cell.answers for cell in cells]),
        right=np.column_stack([cell.scores == 1.0 for cell in cells]),
        measures=tuple(cell.measures for cell in cells),
    )


def codes(texts: Sequence[str]) -> Codes:
    """A number of 64 bits for each text; equal texts have equal ones, and others hardly ever."""
    hashed = pd.util.hash_array(np.array(texts, dtype=object), categorize=False)
    return np.asarray(hashed, dtype=np.uint64)
