"""Measures of single items from the recorded scores of their options.

An option's score is its log-likelihood in nats, or what the prediction method makes of it:
`likelihood_per_char` divides it by the option's characters, `likelihood_pmi` subtracts the option's
log-likelihood without its question. MEASURES says what each method's scores can give.

Sources: Gu et al. 2025 (OLMES, arXiv:2406.08446) and Bhagia et al. 2024 (task scaling laws, OLMo
ladder, arXiv:2412.04403) for bits per byte; Schaeffer et al. 2024 (arXiv:2406.04391) for the
probability of the right option among all options.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import read_items
from tuning_dynamics.data.prompts import completion
from tuning_dynamics.grid.evaluated_sets import EvaluatedSet

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PROBABILITY, MARGIN, NATS, BITS = "probability", "margin", "nats", "bits_per_byte"

#: The measures of each prediction method that scores options. A label's first token has no bytes
#: of its own; the likelihood per character is no probability; what `likelihood_pmi` subtracts is
#: not recorded.
MEASURES = {
    "token_prob": (PROBABILITY, MARGIN, NATS),
    "constrained": (PROBABILITY, MARGIN, NATS),
    "likelihood": (PROBABILITY, MARGIN, NATS, BITS),
    "likelihood_per_char": (MARGIN, NATS, BITS),
    "likelihood_pmi": (MARGIN,),
}


@dataclass(frozen=True)
class Options:
    """The options of all items of a set, one item's after the other's.

    `counts` (items,) is each item's number of options; `right`, `characters` and `size`, bytes as
    scored, are of shape (options,).
    """

    counts: Integers
    right: NDArray[np.bool_]
    characters: Integers
    size: Integers

    @property
    def starts(self) -> Integers:
        """The place of each item's first option."""
        return np.cumsum(self.counts) - self.counts


def options_of(
    about: EvaluatedSet, items: Sequence[str], golds: Sequence[Sequence[str]]
) -> Options:
    """The options of items in the order of their scores: label words, or those of frozen items.

    StudyError for an item that is not frozen, and for one without a right or without a wrong
    option.
    """
    if about.labels:
        words = [word for label in about.labels for word in label]
        label_of = {word: label[0] for label in about.labels for word in label}
        rows = [[(word, label_of[word]) for word in words] for _ in items]
    else:
        rows = [[(option, option) for option in row] for row in _frozen(about, items)]
    for item, row, gold in zip(items, rows, golds, strict=True):
        _require_a_choice(about, item, [answer in gold for _, answer in row], gold)
    return Options(
        counts=np.array([len(row) for row in rows]),
        right=np.array(
            [answer in gold for row, gold in zip(rows, golds, strict=True) for _, answer in row]
        ),
        characters=np.array([len(option) for row in rows for option, _ in row]),
        # The text that is scored begins with a space, which counts, as in OLMES.
        size=np.array([len(completion(option).encode()) for row in rows for option, _ in row]),
    )


def _frozen(about: EvaluatedSet, items: Sequence[str]) -> list[list[str]]:
    """The options of each item, from the set's frozen items."""
    known = {item.item: item.options for item in read_items(about.items, "evaluation")}
    missing = [item for item in items if item not in known]
    if missing:
        raise StudyError(
            f"{len(missing)} items of '{about.name}' have answers but are not frozen",
            file=about.items,
            key="item",
            value=missing[0],
            fix="run the workflow again; it evaluates the cells of this set again",
        )
    return [known[item] for item in items]


def _require_a_choice(
    about: EvaluatedSet, item: str, right: list[bool], gold: Sequence[str]
) -> None:
    if all(right) or not any(right):
        raise StudyError(
            f"item {item} of '{about.name}' has {sum(right)} right ones among its {len(right)} "
            "options",
            file=f"datasets/{about.name}.yaml",
            key="gold",
            value=list(gold),
            fix="run the workflow again; if this stays, fix gold and options of the dataset",
        )


def item_measures(
    scores: pa.Array, options: Options, prediction: str, where: str
) -> dict[str, Floats]:
    """Each measure of MEASURES[prediction], (items,), from each item's list of option scores.

    probability: share of the right option, with others, in the sum of exp(score): softmax. margin:
    score of the right option less that of the best wrong one; above 0 the answer is right. nats:
    negative log-likelihood of the right option. bits_per_byte: nats / (ln 2 * bytes as scored). A
    label that has several words is any of them: their probabilities add up, the best gives the
    margin. `where` is the records' file. StudyError for another number of scores than options, and
    for scores that are not finite.
    """
    flat = _flat(scores, options, where)
    starts, right = options.starts, options.right
    likelihood = flat * options.characters if prediction == "likelihood_per_char" else flat
    only_right = np.where(right, likelihood, -np.inf)
    made = {
        PROBABILITY: lambda: np.exp(_log_sum(only_right, starts) - _log_sum(likelihood, starts)),
        MARGIN: lambda: _best(flat, right, starts) - _best(flat, ~right, starts),
        NATS: lambda: -_log_sum(only_right, starts),
        BITS: lambda: (
            -_log_sum(only_right, starts)
            / (log(2) * np.maximum.reduceat(np.where(right, options.size, 0), starts))
        ),
    }
    return {name: made[name]() for name in MEASURES[prediction]}


def _flat(scores: pa.Array, options: Options, where: str) -> Floats:
    counts = pc.list_value_length(scores).to_numpy()
    if not np.array_equal(counts, options.counts):
        other = int(np.flatnonzero(counts != options.counts)[0])
        raise _broken(
            f"an item has {counts[other]} scores for {options.counts[other]} options", where
        )
    values = pc.list_flatten(scores)
    flat = np.asarray(values.to_numpy(zero_copy_only=False), dtype=float)
    if values.null_count or not np.isfinite(flat).all():
        raise _broken("a score of an option is no finite number", where)
    return flat


def _broken(what: str, where: str) -> StudyError:
    return StudyError(
        what,
        file=where,
        key="option_scores",
        fix="delete the file and run the workflow again; it evaluates this cell again",
    )


def _best(scores: Floats, among: NDArray[np.bool_], starts: Integers) -> Floats:
    return np.asarray(np.maximum.reduceat(np.where(among, scores, -np.inf), starts))


def _log_sum(scores: Floats, starts: Integers) -> Floats:
    """Log of the sum of exp(score) of each item's options."""
    highest = np.maximum.reduceat(scores, starts)
    ends = np.append(starts[1:], len(scores))
    shifted = np.exp(scores - np.repeat(highest, ends - starts))
    return np.asarray(highest + np.log(np.add.reduceat(shifted, starts)))
