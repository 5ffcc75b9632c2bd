"""Scoring the same prompts by the engine and by lm-evaluation-harness."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sides.machine import Rates, Taken, compared, interleaved, summed, timed
from sides.setting import CONTEXT, Setting, TaskSet
from sides.work import Shape, reading, shape_of
from tuning_dynamics.data.encode import Encoder
from tuning_dynamics.data.prompts import completion
from tuning_dynamics.evaluate.cell import predict
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.prompts import Prompt, candidates

OURS = "this engine"

#: Tokens of a batch of ours; what a study has by default on a CPU.
BATCH_TOKENS = 8192


@dataclass(frozen=True)
class Part:
    """So many items of a set, each shown after so many demonstrations."""

    taken: TaskSet
    items: int
    shots: int

    def prompts(self, model: LoadedModel) -> list[Prompt]:
        """The prompts with their candidates, encoded."""
        return self.taken.prompts(model, self.items, self.shots)


def by_engine(model: LoadedModel, part: Part) -> tuple[Taken, list[str]]:
    """What it takes from items to predictions, and these: encoding and batching are in it."""
    model.remembered.clear()

    def score() -> list[str]:
        prompts = part.prompts(model)
        request = part.taken.request(part.shots)
        return [one.prediction for one in predict(model, request, prompts, BATCH_TOKENS)]

    predictions, taken = timed(model.device, score)
    return taken, predictions


def harness(model: Any, encoder: Encoder, batch: int | str, **more: Any) -> Any:
    """lm-evaluation-harness around a model; `batch` is its batch_size."""
    from lm_eval.models.huggingface import HFLM
    from transformers import PreTrainedTokenizerFast

    name = encoder.tokenizer.id_to_token(encoder.eos)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=encoder.tokenizer, eos_token=name, pad_token=name
    )
    with contextlib.redirect_stdout(io.StringIO()):
        return HFLM(
            pretrained=model, tokenizer=tokenizer, batch_size=batch, max_length=CONTEXT, **more
        )


def by_harness(
    lm: Any, model: LoadedModel, part: Part, prompts: Sequence[Prompt]
) -> tuple[Taken, list[str]]:
    """What the harness takes from texts to log-likelihoods, and the likeliest candidates."""
    from lm_eval.api.instance import Instance

    request = part.taken.request(part.shots)
    asked = [
        (prompt.text, completion(answer))
        for prompt in prompts
        for answer in candidates(request, prompt.item)
    ]
    instances = [Instance("loglikelihood", {}, pair, 0) for pair in asked]
    with contextlib.redirect_stdout(io.StringIO()):
        answers, taken = timed(model.device, lambda: lm.loglikelihood(instances, disable_tqdm=True))
    scores = iter([score for score, _ in answers])
    predictions = []
    for prompt in prompts:
        found = {answer: next(scores) for answer in candidates(request, prompt.item)}
        predictions.append(max(found, key=lambda answer: found[answer]))
    return taken, predictions


def needed(shape: Shape, part: Part, prompts: Sequence[Prompt]) -> float:
    """FLOPs that the scores need: no beginning read twice, the head where a token is scored."""
    if part.taken.prediction == "token_prob":
        return reading(shape, [prompt.ids for prompt in prompts]) + len(prompts) * shape.head
    texts = [whole[:-1] for prompt in prompts for whole in prompt.wholes]
    # The first tokens of an item's answers are scored at one position.
    longer = [len(w) - len(prompt.ids) - 1 for prompt in prompts for w in prompt.wholes]
    return reading(shape, texts) + (len(prompts) + sum(longer)) * shape.head


def compare(
    setting: Setting, parts: Sequence[Part], batch: int, rounds: int, rates: Rates
) -> dict[str, Any]:
    """All parts by both ways, a model that is already loaded; predictions that differ are
    counted."""
    model = setting.loaded()
    lm = harness(setting.model, setting.encoder, batch)
    prompts = [part.prompts(model) for part in parts]
    said: dict[str, list[str]] = {}

    def ours() -> Taken:
        found = [by_engine(model, part) for part in parts]
        said["ours"] = [one for _, predictions in found for one in predictions]
        return summed([taken for taken, _ in found])

    def theirs() -> Taken:
        found = [by_harness(lm, model, *both) for both in zip(parts, prompts, strict=True)]
        said["theirs"] = [one for _, predictions in found for one in predictions]
        return summed([taken for taken, _ in found])

    ways = {OURS: ours, f"lm-evaluation-harness, batch {batch}": theirs}
    found = interleaved(ways, rounds)
    differing = sum(a != b for a, b in zip(said["ours"], said["theirs"], strict=True))
    shape = shape_of(setting.model)
    flops = [needed(shape, *both) for both in zip(parts, prompts, strict=True)]
    limit = rates.limit(sum(flops), shape.weights * shape.bytes_each * len(parts))
    names = ", ".join(f"{part.items} of {part.taken.name}" for part in parts)
    return {
        "what": f"scoring {names}, {parts[0].shots} shots",
        "amount": sum(part.items for part in parts),
        "unit": "items",
        "checks": {
            "predictions_that_differ": differing,
            "distinct_predictions": len(set(said["ours"])),
        },
        "limit": limit,
        "ways": compared(found, OURS, limit["seconds"]),
    }
