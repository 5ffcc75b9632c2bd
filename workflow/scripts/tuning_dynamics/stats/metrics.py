"""Metrics: the score of one answer in [0, 1], from what was said and what is right."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.registry import Kinds

#: From a prediction and the right answers, of which there is at least one, to a score in [0, 1].
Metric = Callable[[str, Sequence[str]], float]

#: References whose words are kept: those of a set, about 3 KB each for 25 words. All cells of a
#: set are scored against the same ones, and reading them anew takes half of ROUGE's time.
KEPT_REFERENCES = 2**14


def accuracy(prediction: str, gold: Sequence[str]) -> float:
    """1 where the prediction is one of the right answers, else 0."""
    return float(prediction in gold)


def rouge_l(prediction: str, gold: Sequence[str]) -> float:
    """Largest ROUGE-L F-measure of the prediction over the right answers (Lin 2004).

    Words as in Google's `rouge_score` without stemming: lower-cased runs of ASCII letters and
    digits. An answer or a reference without such words scores 0.
    """
    words = rouge_words(prediction)
    return max(_f_measure(words, *_places(reference)) for reference in gold)


#: The metrics that a cell may be scored by.
METRICS: Kinds[str, Metric] = {"accuracy": accuracy, "rouge_l": rouge_l}


def item_scores(
    metric: str, predictions: Sequence[str], golds: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Scores (items,) of predictions by the right answers of each.

    StudyError where METRICS has no such metric, or the metric gives a score outside [0, 1].
    """
    if metric not in METRICS:
        raise StudyError(
            f"there is no metric '{metric}'",
            key="metric",
            value=metric,
            fix=f"use one of {', '.join(METRICS)}, or define it in stats/metrics.py",
        )
    score = METRICS[metric]
    scores = np.array([score(*item) for item in zip(predictions, golds, strict=True)], dtype=float)
    # Comparisons are false for NaN, so a missing score is caught here too.
    bad = np.flatnonzero(~((scores >= 0.0) & (scores <= 1.0)))
    if bad.size:
        first = int(bad[0])
        raise StudyError(
            f"metric '{metric}' gives {bad.size} scores outside [0, 1], first {scores[first]}",
            key="prediction, gold",
            value=[predictions[first], *golds[first]],
            fix="mend the metric in stats/metrics.py",
        )
    return scores


def rouge_words(text: str) -> list[str]:
    """The words that ROUGE compares."""
    return re.findall(r"[a-z0-9]+", text.lower())


def _f_measure(prediction: Sequence[str], length: int, places: dict[str, int]) -> float:
    common = longest_common_subsequence(prediction, length, places)
    if not common:
        return 0.0
    precision, recall = common / len(prediction), common / length
    return 2 * precision * recall / (precision + recall)


@lru_cache(maxsize=KEPT_REFERENCES)
def _places(reference: str) -> tuple[int, dict[str, int]]:
    words = rouge_words(reference)
    return len(words), places_of(words)


def places_of(words: Sequence[str]) -> dict[str, int]:
    """Each word's places, as the bits of a number."""
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    return places


def longest_common_subsequence(words: Sequence[str], length: int, places: dict[str, int]) -> int:
    """Length of the longest common subsequence of `words` and of `length` words at `places`.

    The bit-parallel recurrence of Crochemore et al. 2001: references of hundreds of words
    would take seconds a cell in a table of Python lists.
    """
    everywhere = (1 << length) - 1
    row = everywhere
    for word in words:
        # A word that the other side lacks leaves the row as it is.
        if word in places:
            matched = row & places[word]
            row = ((row + matched) | (row - matched)) & everywhere
    return length - row.bit_count()
