"""Whether the answer is one of the right ones."""

from collections.abc import Sequence
from functools import partial
from unicodedata import normalize

#: One form for each text: `é` may be one character or two.
_form = partial(normalize, "NFC")


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> list[float]:
    """1 where a prediction is one of the right answers, else 0."""
    return [
        float(_form(prediction) in map(_form, gold))
        for prediction, gold in zip(predictions, golds, strict=True)
    ]
