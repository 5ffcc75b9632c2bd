"""Whether an answer has the words of a right one (SQuAD's exact match, Rajpurkar et al. 2016).

For words; numbers lose their sign and point: `accuracy` compares whole texts.
"""

from collections.abc import Sequence

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.words import answer_words


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> list[float]:
    """1 where a prediction has the words of one of its right answers, in their order, else 0.

    Words are those of `answer_words`: without case, punctuation and articles. StudyError for a
    right answer without any, which an empty answer would match.
    """
    return [
        float(any(words == answer_words(prediction) for words in map(_words, gold)))
        for prediction, gold in zip(predictions, golds, strict=True)
    ]


def _words(gold: str) -> list[str]:
    found = answer_words(gold)
    if not found:
        raise StudyError(
            "a right answer has no word, so that exact_match can't tell right from wrong",
            key="gold",
            value=gold,
            fix="set `metric: accuracy`, which compares whole texts, or `drop` the row",
        )
    return found
