"""Scores of one answer in [0, 1], and labels found in free text."""

import re

from tuning_dynamics.study.errors import StudyError


def accuracy(prediction: str, gold: list[str]) -> float:
    """1 where the prediction is one of the right answers, else 0."""
    return float(prediction in gold)


def rouge_l(prediction: str, references: list[str]) -> float:
    """Largest ROUGE-L F-measure of `prediction` over `references` (Lin 2004).

    Words as in Google's `rouge_score` without stemming: lower-cased runs of ASCII letters and
    digits. An answer or a reference without such words scores 0.
    """
    words = rouge_words(prediction)
    return max(_rouge_l(words, rouge_words(reference)) for reference in references)


def rouge_words(text: str) -> list[str]:
    """The words that ROUGE compares."""
    return re.findall(r"[a-z0-9]+", text.lower())


def _rouge_l(prediction: list[str], reference: list[str]) -> float:
    common = longest_common_subsequence(prediction, reference)
    if not common:
        return 0.0
    precision, recall = common / len(prediction), common / len(reference)
    return 2 * precision * recall / (precision + recall)


def longest_common_subsequence(first: list[str], second: list[str]) -> int:
    """Length of the longest common subsequence, with one bit per word of `first`.

    The bit-parallel recurrence of Crochemore et al. 2001: references of hundreds of words
    would take seconds a cell in a table of Python lists.
    """
    everywhere = (1 << len(first)) - 1
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    row = everywhere
    for word in second:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & everywhere
    return len(first) - row.bit_count()


def normalise(text: str) -> str:
    """Text without case and punctuation, one space between words."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def match_label(answer: str, labels: tuple[str, ...]) -> str:
    """The label that a free answer begins with, up to case and punctuation; "" for none.

    A label must end where a word ends, and the longest of several wins.
    """
    said = normalise(answer) + " "
    found = [label for label in labels if said.startswith(normalise(label) + " ")]
    return max(found, key=lambda label: len(normalise(label)), default="")


def refuse_alike(labels: tuple[str, ...], eval_set: str) -> None:
    """StudyError where two labels cannot be told apart in free text, or one holds no word."""
    seen: dict[str, str] = {"": ""}
    for label in labels:
        other = seen.setdefault(normalise(label), label)
        if other != label:
            raise StudyError(
                f"labels {other!r} and {label!r} are the same text up to case and punctuation",
                file=f"datasets/{eval_set}.yaml",
                key="gold.labels",
                value=list(labels),
                fix="use other label words, or prediction `token_prob` or `constrained`",
            )
