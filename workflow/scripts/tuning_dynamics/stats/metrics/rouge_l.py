"""ROUGE-L (Lin 2004), with Google's `rouge_score`, without stemming."""

import re
from collections.abc import Sequence

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer


class Words(Tokenizer):  # type: ignore[misc]  # it is not typed
    """Lower-cased runs of ASCII letters and digits, as in `rouge_score` on ASCII text."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return re.findall(r"[a-z0-9]+", text.lower())


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> list[float]:
    """Largest ROUGE-L F-measure of each prediction over its right answers.

    An answer or a reference without words scores 0.
    """
    scorer = RougeScorer(["rougeL"], tokenizer=Words())
    return [
        max(scorer.score(reference, prediction)["rougeL"].fmeasure for reference in gold)
        for prediction, gold in zip(predictions, golds, strict=True)
    ]
