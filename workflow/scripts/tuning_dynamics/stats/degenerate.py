"""Models that give nearly the same answer whatever the item: they have collapsed."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Floats

#: Share of a cell's items from which on one answer is too many, unless the score is as high.
ONE_ANSWER = 0.95
#: The same for generated texts, which vary more: right ones are seldom equal.
ONE_TEXT = 0.5

DEGENERATE = "yes"


def commonest_share(answers: Iterable[str]) -> float:
    """Share of the items that got the commonest of `answers`, up to case and white space."""
    counts = Counter(" ".join(answer.split()).casefold() for answer in answers)
    return max(counts.values()) / counts.total()


def chosen_options(scores: Sequence[Sequence[float]]) -> list[str]:
    """The place of the option that was chosen for each item: the first of the best scores.

    `scores` has the scores of each item's options. Options differ from item to item, so a model
    that always takes the first one gives many texts, but one place.
    """
    return [str(options.index(max(options))) for options in scores]


def degenerate(kinds: Sequence[str], commonest: Floats, score: Floats) -> list[str]:
    """`yes` for each cell with one answer on at least ONE_ANSWER of its items and a lower score;
    for generation on ONE_TEXT is enough. Else "".

    All arguments have an entry for each cell. An unknown share (NaN) is not degenerate.
    """
    one_answer = (commonest >= ONE_ANSWER) & (score < ONE_ANSWER)
    one_text = (commonest >= ONE_TEXT) & (score < ONE_TEXT)
    found = one_answer | (one_text & (np.asarray(kinds) == "generation"))
    return [DEGENERATE if one else "" for one in found]


def degenerate_cells(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of scores.csv with degenerate answers."""
    return scores[scores["degenerate"] == DEGENERATE]
