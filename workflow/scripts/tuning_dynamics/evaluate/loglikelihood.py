"""Log-likelihoods of answers, with shared prefixes read once."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.registry import Kinds
from tuning_dynamics.data.prompts import completion
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.engine.attention import attending
from tuning_dynamics.evaluate.model import LoadedModel, batches, not_a_number, shared_prefix
from tuning_dynamics.evaluate.packed_forward import PackedForward, TokenSequence
from tuning_dynamics.evaluate.prefix_attention import ATTENTION
from tuning_dynamics.evaluate.prompts import Prompt, cut_apart
from tuning_dynamics.evaluate.request import CellRequest
from tuning_dynamics.evaluate.unpacked import whole_logits

#: Most tokens of answers that follow one prompt in a row. The cost of a row's attention grows with
#: its square, and all options of a set may follow the same prompt.
ROW_ANSWERS = 512

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Scored:
    """Log-likelihood (nats) of `answer` after `prompt`: token ids, at least one of each."""

    prompt: list[int]
    answer: list[int]


def option_scores(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    """Each item's score for each candidate, in the candidates' order, by the request's method.

    For classification: token_prob: log-probability of the label word's first token; constrained:
    log-likelihood of the whole word and end-of-text, so that the best word is the likeliest of all
    answers that are a label and nothing else (Sun and Dredze 2025 force the generation to contain
    a label instead).

    For multiple choice, as acc, acc_norm and acc_mutual_info of lm-evaluation-harness: likelihood:
    log-likelihood of the option; likelihood_per_char: the same per character of the option;
    likelihood_pmi: the same minus the option's log-likelihood at the beginning of a text, without
    its question.

    StudyError if a candidate adds no token of its own, and under token_prob if first tokens do not
    distinguish the label words.
    """
    return SCORED[request.prediction](model, request, prompts, batch_tokens)


def _by_first_token(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    def answers(prompt: Prompt) -> list[Scored]:
        return [Scored(prompt.ids, [token]) for token in _first_tokens(model, request, prompt)]

    return _log_likelihoods(model, prompts, batch_tokens, answers)


def _by_whole_word(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    def answers(prompt: Prompt) -> list[Scored]:
        return _answers(request, prompt, [model.encoder.eos])

    return _log_likelihoods(model, prompts, batch_tokens, answers)


def _by_likelihood(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    """Log-likelihoods of all options: the multiple-choice methods need the same pass, and their
    cells are consecutive."""

    def answers(prompt: Prompt) -> list[Scored]:
        return _answers(request, prompt, [])

    key = json.dumps({**request.key(), "prediction": None}, sort_keys=True)
    return model.remember(
        "options", key, lambda: _log_likelihoods(model, prompts, batch_tokens, answers)
    )


def _by_character(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    scores = _by_likelihood(model, request, prompts, batch_tokens)
    scales = [[len(option) for option in prompt.item.options] for prompt in prompts]
    return [[s / n for s, n in zip(*pair, strict=True)] for pair in _pairs(scores, scales)]


def _by_information(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    scores = _by_likelihood(model, request, prompts, batch_tokens)
    alone = _unconditional(model, request, prompts, batch_tokens)
    return [[s - a for s, a in zip(*pair, strict=True)] for pair in _pairs(scores, alone)]


#: By prediction method.
SCORED: Kinds[str, Callable[[LoadedModel, CellRequest, list[Prompt], int], list[list[float]]]] = {
    "token_prob": _by_first_token,
    "constrained": _by_whole_word,
    "likelihood": _by_likelihood,
    "likelihood_per_char": _by_character,
    "likelihood_pmi": _by_information,
}


def _pairs(first: list[T], second: list[U]) -> Iterator[tuple[T, U]]:
    return zip(first, second, strict=True)


def _unconditional(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    """Log-likelihood of each option at the beginning of a text, of the tokens that it has after
    its question (`_alone`); formats and shots where these are the same share them.

    A text begins with the tokenizer's own tokens, else with end-of-text, which separates the
    documents of pre-training.
    """
    start = list(model.encoder.beginning) or [model.encoder.eos]
    rows = [_alone(model.encoder, request, prompt) for prompt in prompts]

    def scores() -> list[list[float]]:
        asked = [Scored(start, answer) for row in rows for answer in row]
        found = iter(log_likelihoods(model, asked, batch_tokens))
        return [[next(found) for _ in row] for row in rows]

    return model.remember("unconditional", json.dumps([request.items, rows]), scores)


def _alone(encoder: Encoder, request: CellRequest, prompt: Prompt) -> list[list[int]]:
    """The tokens of each option after its question, without white space that the question ends
    in: that is no part of an option."""
    question = prompt.text.rstrip()
    if question == prompt.text:
        return [one.answer for one in _answers(request, prompt, [])]
    options = [completion(encoder.special.quoted(option)) for option in prompt.item.options]
    before, *wholes = encoder.all_ids([question, *(question + option for option in options)])
    return [whole[len(before) :] for whole in wholes]


def _log_likelihoods(
    model: LoadedModel,
    prompts: list[Prompt],
    batch_tokens: int,
    answers_of: Callable[[Prompt], list[Scored]],
) -> list[list[float]]:
    """Log-likelihood of each answer that `answers_of` gives for each prompt."""

    def scores(some: list[Prompt]) -> list[list[float]]:
        answers = [answers_of(prompt) for prompt in some]
        found = iter(log_likelihoods(model, [one for row in answers for one in row], batch_tokens))
        return [[next(found) for _ in row] for row in answers]

    return cut_apart(prompts, scores)


def _answers(request: CellRequest, prompt: Prompt, ending: list[int]) -> list[Scored]:
    """The whole text of each candidate of an item, with an ending, after its prompt."""
    length = len(prompt.ids)
    for whole in prompt.wholes:
        if not length or len(whole) <= length:
            raise _no_boundary(request, prompt)
    # As in lm-evaluation-harness: the tokens of the whole text, cut at the prompt's length.
    return [Scored(whole[:length], whole[length:] + ending) for whole in prompt.wholes]


def _first_tokens(model: LoadedModel, request: CellRequest, prompt: Prompt) -> list[int]:
    length = len(prompt.ids)
    first: dict[int, str] = {}
    for label, whole in zip(request.words, prompt.wholes, strict=True):
        if not length or whole[:length] != prompt.ids or len(whole) == length:
            raise _no_boundary(request, prompt)
        other = first.setdefault(whole[length], label)
        if other != label:
            raise StudyError(
                f"labels {other!r} and {label!r} begin with the same token",
                file=f"datasets/{request.eval_set}.yaml",
                key="gold.labels",
                value={"token": model.encoder.decode([whole[length]])},
                fix="use other label words, or prediction `constrained`",
            )
    return list(first)


def _no_boundary(request: CellRequest, prompt: Prompt) -> StudyError:
    return StudyError(
        f"no token begins where an answer does, in item {prompt.item.item}",
        file=f"datasets/{request.eval_set}.yaml",
        key="formats",
        value=prompt.text[-40:],
        fix="end the format in another character, or use another prediction method",
    )


def log_likelihoods(model: LoadedModel, asked: list[Scored], batch_tokens: int) -> list[float]:
    """Log-likelihood in nats of each answer after its prompt, in the given order.

    The prefix that all prompts share is read once, and each distinct prompt once with its answers.
    StudyError for logits that are NaN.
    """
    scored = _by_rows if model.supports_packing else _by_whole_texts
    found = scored(model, asked, batch_tokens)
    if any(map(math.isnan, found)):
        raise not_a_number()
    return found


@torch.inference_mode()
def _by_rows(model: LoadedModel, asked: list[Scored], batch_tokens: int) -> list[float]:
    prefix = shared_prefix([one.prompt for one in asked])
    groups = _rows_of(asked)
    texts = [
        TokenSequence(
            asked[group[0]].prompt[len(prefix) :], [asked[index].answer[:-1] for index in group]
        )
        for group in groups
    ]
    # The head at a row's end is in `row_tokens`.
    sizes = [text.length + model.head_tokens * (_places(text) - 1) for text in texts]
    extra = model.row_tokens(len(prefix))
    found = [0.0] * len(asked)
    with attending(model.model, ATTENTION):
        reader = PackedForward(model.model, model.device, prefix)
        for rows in batches(sizes, extra, batch_tokens):
            logits = reader.read([texts[row] for row in rows])
            wanted = list(_wanted([(groups[row], texts[row]) for row in rows], asked))
            for index, score in _chosen(logits, wanted):
                found[index] += score
    model.tokens += reader.tokens
    return found


def _rows_of(asked: list[Scored]) -> list[list[int]]:
    """Indices of the answers that are read as one row: to one prompt, with limited tokens."""
    rows: list[list[int]] = []
    last: dict[tuple[int, ...], tuple[list[int], int]] = {}
    for index, one in enumerate(asked):
        row, length = last.get(tuple(one.prompt), ([], 0))
        if not row or length + len(one.answer) > ROW_ANSWERS:
            row, length = [], 0
            rows.append(row)
        row.append(index)
        last[tuple(one.prompt)] = (row, length + len(one.answer))
    return rows


def _places(text: TokenSequence) -> int:
    """Number of places where the head is applied to a text: its end and all its branches."""
    return 1 + sum(map(len, text.branches))


def _wanted(
    read: list[tuple[list[int], TokenSequence]], asked: list[Scored]
) -> Iterator[tuple[int, int, int]]:
    """(index of the answer, place among the logits, token) of each token of all answers."""
    start = 0
    for group, text in read:
        place = start + 1
        for index in group:
            first, *rest = asked[index].answer
            yield index, start, first
            for token in rest:
                yield index, place, token
                place += 1
        start += _places(text)


def _by_whole_texts(model: LoadedModel, asked: list[Scored], batch_tokens: int) -> list[float]:
    texts = [one.prompt + one.answer[:-1] for one in asked]
    counts = [len(one.answer) for one in asked]
    found = [0.0] * len(asked)
    for rows, logits in whole_logits(model, texts, counts, batch_tokens):
        most = logits.shape[1]
        wanted = [
            (index, most * (row + 1) - counts[index] + place, token)
            for row, index in enumerate(rows)
            for place, token in enumerate(asked[index].answer)
        ]
        for index, score in _chosen(logits.flatten(0, 1), wanted):
            found[index] += score
    return found


def _chosen(
    logits: torch.Tensor, wanted: list[tuple[int, int, int]]
) -> Iterator[tuple[int, float]]:
    """(index, log-probability) of each wanted (index, row of logits, token)."""
    indices, rows, tokens = zip(*wanted, strict=True)
    places = torch.tensor([rows, tokens], device=logits.device)
    scores = logits[places[0], places[1]] - logits.logsumexp(-1)[places[0]]
    return zip(indices, scores.double().tolist(), strict=True)
