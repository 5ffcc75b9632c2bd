"""Scoring the same prompts by the engine and by lm-evaluation-harness."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sides.machine import Rates, Taken, compared, interleaved, summed, timed
from sides.setting import CONTEXT, Setting, TaskSet, hugging_face
from sides.side import Side
from sides.work import Shape, reading, shape_of
from tuning_dynamics.data.prompts import completion
from tuning_dynamics.evaluate.cell import predict
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.prompts import Prompt, candidates

OURS = "this engine"


@dataclass(frozen=True)
class Part:
    """So many items of a set, each shown after so many demonstrations."""

    taken: TaskSet
    items: int
    shots: int

    def prompts(self, model: LoadedModel) -> list[Prompt]:
        """The prompts with their candidates, encoded."""
        return self.taken.prompts(model, self.items, self.shots)


#: What scoring took, and the predictions.
Scored = tuple[Taken, list[str]]


def by_engine(setting: Setting, parts: Sequence[Part]) -> Scored:
    """From items to predictions: encoding and batching are in the time."""
    model = setting.loaded()

    def score() -> list[str]:
        found = []
        for part in parts:
            request, prompts = part.taken.request(part.shots), part.prompts(model)
            found += predict(model, request, prompts, model.batch_tokens)
        return [answer.prediction for answer in found]

    predictions, taken = timed(setting.device, score)
    return taken, predictions


def harness(setting: Setting, batch: int) -> Any:
    """lm-evaluation-harness around the model; `batch` is its batch_size."""
    from lm_eval.models.huggingface import HFLM

    with contextlib.redirect_stdout(io.StringIO()):
        return HFLM(
            pretrained=setting.model,
            tokenizer=hugging_face(setting.encoder),
            batch_size=batch,
            max_length=CONTEXT,
        )


def by_harness(setting: Setting, parts: Sequence[Part], batch: int) -> Scored:
    """From texts to log-likelihoods by lm-evaluation-harness, and the likeliest candidates."""
    lm, model, found = harness(setting, batch), setting.loaded(), []
    for part in parts:
        request = part.taken.request(part.shots)
        rows = [(p.text, candidates(request, p.item)) for p in part.prompts(model)]
        asked = [(text, completion(answer)) for text, answers in rows for answer in answers]
        scores, taken = timed(setting.device, partial(_log_likelihoods, lm, asked))
        found.append((taken, _likeliest(rows, scores)))
    return summed(taken for taken, _ in found), [one for _, said in found for one in said]


def _log_likelihoods(lm: Any, asked: list[tuple[str, str]]) -> list[float]:
    from lm_eval.api.instance import Instance

    instances = [Instance("loglikelihood", {}, pair, 0) for pair in asked]
    with contextlib.redirect_stdout(io.StringIO()):
        return [score for score, _ in lm.loglikelihood(instances, disable_tqdm=True)]


def _likeliest(rows: list[tuple[str, list[str]]], scores: list[float]) -> list[str]:
    remaining = iter(scores)
    found = []
    for _, answers in rows:
        own = [next(remaining) for _ in answers]
        found.append(answers[own.index(max(own))])
    return found


def needed(shape: Shape, part: Part, prompts: Sequence[Prompt]) -> float:
    """FLOPs that the scores need: no beginning read twice, the head where a token is scored."""
    if part.taken.prediction == "token_prob":
        return reading(shape, [prompt.ids for prompt in prompts]) + len(prompts) * shape.head
    texts = [whole[:-1] for prompt in prompts for whole in prompt.wholes]
    # The first tokens of an item's answers are scored at one position.
    longer = [len(w) - len(prompt.ids) - 1 for prompt in prompts for w in prompt.wholes]
    return reading(shape, texts) + (len(prompts) + sum(longer)) * shape.head


def compare(
    ours: Side,
    theirs: Side,
    setting: Setting,
    parts: list[Part],
    batch: int,
    rounds: int,
    rates: Rates,
) -> dict[str, Any]:
    """All parts by both ways, a model that is already loaded; predictions that differ are
    counted."""
    said: dict[str, list[str]] = {}

    def our() -> Taken:
        taken, said["ours"] = ours.call(by_engine, parts)
        return taken

    def their() -> Taken:
        taken, said["theirs"] = theirs.call(by_harness, parts, batch)
        return taken

    found = interleaved({OURS: our, f"lm-evaluation-harness, batch {batch}": their}, rounds)
    pairs = zip(said["ours"], said["theirs"], strict=True)
    shape, model = shape_of(setting.model), setting.loaded()
    flops = [needed(shape, part, part.prompts(model)) for part in parts]
    limit = rates.limit(sum(flops), shape.weights * shape.bytes_each * len(parts))
    names = ", ".join(f"{part.items} {part.taken.name}" for part in parts)
    return {
        "what": f"scoring, {parts[0].shots} shots: {names}",
        "amount": sum(part.items for part in parts),
        "unit": "items",
        "checks": {
            "predictions_that_differ": sum(a != b for a, b in pairs),
            "distinct_predictions": len(set(said["ours"])),
        },
        "limit": limit,
        "ways": compared(found, OURS, limit["seconds"]),
    }
