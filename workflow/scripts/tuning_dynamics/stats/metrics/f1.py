"""F1 of the words that an answer shares with a right answer (SQuAD, Rajpurkar et al. 2016)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from tuning_dynamics.common.words import answer_words


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Largest F1 of each prediction's words over its right answers.

    Words are those of `answer_words`; a repeated word counts as often as it occurs. An answer
    without words scores 0.
    """
    pairs = [
        (item, _numbered(prediction), _numbered(reference))
        for item, (prediction, gold) in enumerate(zip(predictions, golds, strict=True))
        for reference in gold
    ]
    # Plus a dummy pair of one word, left out below: scikit-learn requires at least two pairs.
    _, answers, references = zip(*pairs, (-1, [("", 0)], [("", 0)]), strict=True)
    binarizer = MultiLabelBinarizer(sparse_output=True).fit([*answers, *references])
    # A pair is a label, and each word says whether it has it: so scikit-learn gives F1 per pair.
    shared = f1_score(
        binarizer.transform(references).T.tocsr(),
        binarizer.transform(answers).T.tocsr(),
        average=None,
        zero_division=0.0,
    )
    best = np.zeros(len(predictions))
    np.maximum.at(best, [item for item, _, _ in pairs], shared[:-1])
    return best


def _numbered(text: str) -> list[tuple[str, int]]:
    """The words of a text, each with the number of its earlier occurrences."""
    seen: Counter[str] = Counter()
    found = []
    for word in answer_words(text):
        seen[word] += 1
        found.append((word, seen[word]))
    return found
