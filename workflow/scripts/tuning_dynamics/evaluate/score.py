"""Log-likelihoods of answers, with shared beginnings read once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from tuning_dynamics.data.prompts import completion
from tuning_dynamics.evaluate.model import (
    LoadedModel,
    Read,
    batches,
    read,
    read_prefix,
    shared_prefix,
)
from tuning_dynamics.evaluate.prompts import Prompt
from tuning_dynamics.evaluate.request import CellRequest
from tuning_dynamics.study.errors import StudyError

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
    """Each item's score of each candidate, in the candidates' order.

    Of a classification set: token_prob: log-probability of the label word's first token;
    constrained: log-likelihood of the whole word and end-of-text, so that the best word is the
    likeliest of all answers that are a label and nothing else (Sun and Dredze 2025 force the
    generation to contain a label instead).

    Of multiple choice, as acc, acc_norm and acc_mutual_info of lm-evaluation-harness: likelihood:
    log-likelihood of the option; likelihood_per_char: that per character of the option;
    likelihood_pmi: that less the option's log-likelihood at the beginning of a text, without its
    question.

    StudyError where a candidate adds no token of its own, and under token_prob where first
    tokens do not tell the label words apart.
    """
    if request.kind == "classification":
        return _log_likelihoods(model, request, prompts, batch_tokens)
    scores = _likelihoods(model, request, prompts, batch_tokens)
    if request.prediction == "likelihood":
        return scores
    if request.prediction == "likelihood_per_char":
        scales = [[len(option) for option in prompt.item.options] for prompt in prompts]
        return [[s / n for s, n in zip(*pair, strict=True)] for pair in _pairs(scores, scales)]
    alone = _unconditional(model, request, prompts, batch_tokens)
    return [[s - a for s, a in zip(*pair, strict=True)] for pair in _pairs(scores, alone)]


def _pairs(first: list[T], second: list[U]) -> Iterator[tuple[T, U]]:
    return zip(first, second, strict=True)


def _likelihoods(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    """Log-likelihoods of all options: the methods of multiple choice need the same pass, and
    their cells come in a row."""
    key = json.dumps({**request.key(), "prediction": "likelihood"}, sort_keys=True)
    return model.remember(
        "likelihood", key, lambda: _log_likelihoods(model, request, prompts, batch_tokens)
    )


def _unconditional(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    """Log-likelihood of each option at the beginning of a text; formats and shots share them.

    A text begins with what the tokenizer puts there, else with end-of-text, which parts the
    documents of pre-training.
    """
    encoder = model.encoder
    start = list(encoder.beginning) or [encoder.eos]

    def scores() -> list[list[float]]:
        rows = [[encoder.ids(completion(o)) for o in prompt.item.options] for prompt in prompts]
        asked = [Scored(start, answer) for row in rows for answer in row]
        found = iter(log_likelihoods(model, asked, batch_tokens))
        return [[next(found) for _ in row] for row in rows]

    return model.remember("unconditional", request.items, scores)


def _log_likelihoods(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[list[float]]:
    answers = [_answers(model, request, prompt) for prompt in prompts]
    found = iter(log_likelihoods(model, [one for row in answers for one in row], batch_tokens))
    return [[next(found) for _ in row] for row in answers]


def _answers(model: LoadedModel, request: CellRequest, prompt: Prompt) -> list[Scored]:
    """What is scored for each candidate of an item."""
    if request.prediction == "token_prob":
        return [Scored(prompt.ids, [token]) for token in _first_tokens(model, request, prompt)]
    ending = [model.encoder.eos] if request.prediction == "constrained" else []
    length = len(prompt.ids)
    for whole in prompt.wholes:
        if not length or len(whole) <= length:
            raise _no_boundary(request, prompt)
    # As lm-evaluation-harness does: the whole text's own tokens, cut at the prompt's length.
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
    """Log-likelihood in nats of each answer after its prompt, in the order asked.

    What all prompts share is read once, each distinct prompt once, and then its answers.
    """
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for index, one in enumerate(asked):
        by_prompt.setdefault(tuple(one.prompt), []).append(index)
    prompts = [list(prompt) for prompt in by_prompt]
    groups = list(by_prompt.values())
    prefix = shared_prefix(prompts)
    before = read_prefix(model, prefix)
    lengths = [len(prompt) - len(prefix) for prompt in prompts]
    found = [0.0] * len(asked)
    for rows in batches(lengths, len(prefix), batch_tokens, equal_lengths=model.equal_lengths):
        texts = [prompts[row][len(prefix) :] for row in rows]
        after, logits = read(model, before and before.select([0] * len(rows)), texts)
        owners = [(place, index) for place, row in enumerate(rows) for index in groups[row]]
        answers = [asked[index].answer for _, index in owners]
        places = [place for place, _ in owners]
        scores = _answer_scores(model, after, logits, places, answers, batch_tokens)
        for (_, index), score in zip(owners, scores, strict=True):
            found[index] = score
    return found


def _answer_scores(
    model: LoadedModel,
    after: Read,
    logits: torch.Tensor,
    places: list[int],
    answers: list[list[int]],
    batch_tokens: int,
) -> list[float]:
    """Log-likelihood of each answer after the prompt in row `places[answer]` of `after`."""
    log_probabilities = logits.log_softmax(-1)
    first = torch.tensor([answer[0] for answer in answers], device=logits.device)
    scores: list[float] = log_probabilities[places, first].double().tolist()
    longer = [index for index, answer in enumerate(answers) if len(answer) > 1]
    lengths = [len(answers[index]) - 1 for index in longer]
    for batch in batches(lengths, after.seen.shape[1], batch_tokens):
        chosen = [longer[place] for place in batch]
        rest = _rest_scores(
            model,
            after.select([places[index] for index in chosen]),
            [answers[index] for index in chosen],
        )
        for index, score in zip(chosen, rest, strict=True):
            scores[index] += score
    return scores


def _rest_scores(model: LoadedModel, before: Read, answers: list[list[int]]) -> list[float]:
    """Log-likelihood of each answer's tokens after its first, given the prompts read."""
    _, logits = read(model, before, [answer[:-1] for answer in answers], every=True)
    width = logits.shape[1]
    targets = torch.tensor(
        [answer[1:] + [-1] * (width + 1 - len(answer)) for answer in answers],
        device=logits.device,
    )
    chosen = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    each = (chosen - logits.logsumexp(-1)).masked_fill(targets < 0, 0.0)
    scores: list[float] = each.double().sum(-1).tolist()
    return scores
