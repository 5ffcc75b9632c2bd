"""Whether the answer is one of the right ones."""

from collections.abc import Sequence


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> list[float]:
    """1 where a prediction is one of the right answers, else 0."""
    return [float(prediction in gold) for prediction, gold in zip(predictions, golds, strict=True)]
