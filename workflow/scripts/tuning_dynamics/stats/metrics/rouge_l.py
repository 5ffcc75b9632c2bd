"""ROUGE-L (Lin 2004), with Google's `rouge_score`, without stemming, on words of any script."""

from collections.abc import Sequence

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer

from tuning_dynamics.common.words import words


class Words(Tokenizer):  # type: ignore[misc]  # it is not typed
    """Words of any script; those of `rouge_score` on ASCII text."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return words(text)


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> list[float]:
    """Largest ROUGE-L F-measure of each prediction over its right answers.

    An answer or a reference without words scores 0.
    """
    scorer = RougeScorer(["rougeL"], tokenizer=Words())
    return [
        max(scorer.score(reference, prediction)["rougeL"].fmeasure for reference in gold)
        for prediction, gold in zip(predictions, golds, strict=True)
    ]
