"""One cell: items to prompts, prompts to answers, answers to per-item records."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tuning_dynamics.common.atomic_files import text_digest, whole_file
from tuning_dynamics.common.errors import REFUSED_KEY, StudyError
from tuning_dynamics.common.registry import Kinds
from tuning_dynamics.data.items import Item, read_items
from tuning_dynamics.data.prompts import completion
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.labels import match_label, refuse_alike
from tuning_dynamics.evaluate.loglikelihood import option_scores
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.prompts import Prompt, candidates, cut_apart, make_prompts
from tuning_dynamics.evaluate.request import CellRequest

#: Key of the parquet's metadata that holds the request.
REQUEST_KEY = "tuning_dynamics.request"

_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("context", pa.string()),
        ("prompt_digest", pa.string()),
        ("truncated", pa.bool_()),
        ("prediction", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("option_scores", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class Answer:
    """A prediction ("" if no label was found) and the candidates' scores, if any.

    For a label with several words the prediction is its first; each word has its own score.
    """

    prediction: str
    option_scores: list[float]


def evaluate_cell(model: LoadedModel, request: CellRequest, batch_tokens: int | None = None) -> int:
    """Evaluate a cell and write its records; return its number of items.

    `batch_tokens` bounds a batch (none: as much as the device holds) and changes no result beyond
    rounding. StudyError for an empty set, and as for `make_prompts` and `option_scores`;
    torch.OutOfMemoryError if batches of half the size do not fit either.
    """
    items = _read_evaluated(request)
    prompts = make_prompts(request, items, model.encoder, model.context)
    answers = _predict_in_memory(model, request, prompts, batch_tokens or model.batch_tokens)
    _write(request, prompts, answers)
    return len(items)


def _predict_in_memory(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[Answer]:
    """`predict`, with batches of half the size if the first ones do not fit."""
    try:
        return predict(model, request, prompts, batch_tokens)
    except torch.OutOfMemoryError:
        print(f"{request.out}: out of memory, again with half of {batch_tokens} tokens", flush=True)
    # Outside the handler the error no longer holds the tensors that did not fit.
    torch.cuda.empty_cache()
    return predict(model, request, prompts, batch_tokens // 2)


def predict(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[Answer]:
    """The model's answer to each prompt, by the request's prediction method.

    Scored methods take the best candidate (see `option_scores`), the first on a tie. `greedy` takes
    the generated text, `free` the label that it begins with, if any: this can miss the likeliest
    label, which `constrained` takes, and may give none.
    """
    if not request.generates:
        scored = option_scores(model, request, prompts, batch_tokens)
        return [
            _best(request, candidates(request, prompt.item), row)
            for prompt, row in zip(prompts, scored, strict=True)
        ]
    return GENERATED[request.prediction](model, request, prompts, batch_tokens)


def _continued(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[str]:
    """What the model generates after each prompt."""

    def texts(some: list[Prompt]) -> list[str]:
        ids = [prompt.ids for prompt in some]
        return generate(model, ids, request.max_new_tokens, batch_tokens)

    return cut_apart(prompts, texts)


def _as_generated(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[Answer]:
    return [Answer(text, []) for text in _continued(model, request, prompts, batch_tokens)]


def _as_labels(
    model: LoadedModel, request: CellRequest, prompts: list[Prompt], batch_tokens: int
) -> list[Answer]:
    refuse_alike(request.words, request.eval_set)
    _refuse_longer(model, request)
    texts = _continued(model, request, prompts, batch_tokens)
    return [Answer(request.label_of(match_label(text, request.words)), []) for text in texts]


def _refuse_longer(model: LoadedModel, request: CellRequest) -> None:
    """StudyError for a label that no answer can hold: it would be wrong whatever is said."""
    before = ":"  # alone, a label may have a token more
    spelled = [before + completion(model.encoder.special.quoted(word)) for word in request.words]
    first, *others = map(len, model.encoder.all_ids([before, *spelled]))
    sizes = {word: size - first for word, size in zip(request.words, others, strict=True)}
    longest = max(sizes, key=lambda word: sizes[word])
    if sizes[longest] > request.max_new_tokens:
        raise StudyError(
            f"label {longest!r} has {sizes[longest]} tokens, a free answer at most "
            f"{request.max_new_tokens}",
            file=f"datasets/{request.eval_set}.yaml",
            key="evaluate.label_tokens",
            value=request.max_new_tokens,
            fix=f"set it to {sizes[longest]} or more, or use `token_prob` or `constrained`",
        )


#: Prediction methods that generate.
GENERATED: Kinds[str, Callable[[LoadedModel, CellRequest, list[Prompt], int], list[Answer]]] = {
    "greedy": _as_generated,
    "free": _as_labels,
}


def _best(request: CellRequest, options: list[str], scores: list[float]) -> Answer:
    best = options[scores.index(max(scores))]
    return Answer(request.label_of(best) if request.labels else best, scores)


def _read_evaluated(request: CellRequest) -> list[Item]:
    items = read_items(request.items, "evaluation")
    if not items:
        raise StudyError(
            f"dataset {request.eval_set!r} has no evaluated item",
            file=request.items,
            key="evaluation",
            fix=f"name an evaluation split with rows in datasets/{request.eval_set}.yaml",
        )
    for item in items:
        _check_item(item, request)
    return items


def _check_item(item: Item, request: CellRequest) -> None:
    classified = request.kind == "classification"
    options = [label[0] for label in request.labels] if classified else candidates(request, item)
    answerable = not options or item.target in options if item.gold else False
    if not answerable or (request.kind == "multiple_choice" and len(options) < 2):
        raise StudyError(
            f"item {item.item} of {request.eval_set} has no right answer to choose",
            file=request.items,
            key="gold",
            value={"gold": item.gold, "options": options},
            fix=f"fix the row, or gold and options in datasets/{request.eval_set}.yaml",
        )


def _write(request: CellRequest, prompts: list[Prompt], answers: list[Answer]) -> None:
    rows = [
        {
            "item": prompt.item.item,
            "context": prompt.item.context,
            "prompt_digest": text_digest(prompt.text),
            "truncated": prompt.truncated,
            "prediction": answer.prediction,
            "gold": prompt.item.gold,
            "option_scores": answer.option_scores,
        }
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    rows.sort(key=lambda row: str(row["item"]))
    key = json.dumps(request.key(), sort_keys=True, ensure_ascii=False)
    schema = _SCHEMA.with_metadata({REQUEST_KEY: key})
    with whole_file(Path(request.out)) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


def write_refused(request: CellRequest, reason: str) -> None:
    """Write a cell without records that states why its input was refused."""
    key = json.dumps(request.key(), sort_keys=True, ensure_ascii=False)
    schema = _SCHEMA.with_metadata({REQUEST_KEY: key, REFUSED_KEY: reason})
    with whole_file(Path(request.out)) as temporary:
        pq.write_table(pa.Table.from_pylist([], schema=schema), temporary)
