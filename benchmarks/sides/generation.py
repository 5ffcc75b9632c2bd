"""Generating from the same prompts by the engine and by transformers."""

from collections.abc import Sequence
from typing import Any

import torch

from sides.machine import Rates, Taken, compared, interleaved, timed
from sides.work import generating, shape_of
from tuning_dynamics.data.encode import Encoder
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.model import LoadedModel

OURS = "this engine"


def by_engine(
    model: LoadedModel, prompts: Sequence[list[int]], longest: int, batch: int
) -> tuple[Taken, list[str]]:
    """Answers of at most `longest` tokens, about `batch` rows at a time, and what they take."""
    budget = batch * (max(map(len, prompts)) + longest)
    answers, taken = timed(model.device, lambda: generate(model, list(prompts), longest, budget))
    return taken, answers


def ending_tokens(encoder: Encoder) -> list[int]:
    """The tokens at which an answer of one line ends."""
    size = encoder.tokenizer.get_vocab_size()
    breaks = [token for token in range(size) if "\n" in encoder.decode([token])]
    return [encoder.eos, *breaks]


def by_transformers(
    model: LoadedModel,
    prompts: Sequence[list[int]],
    longest: int,
    batch: int,
    ends: list[int],
) -> tuple[Taken, list[str]]:
    """The same by `model.generate`: prompts sorted by length, padded on the left, `batch` rows at
    a time; an answer ends at a token of `ends`."""

    def answer() -> list[str]:
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
        found = [""] * len(prompts)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            texts = _generated(model, [prompts[row] for row in rows], longest, ends)
            for row, text in zip(rows, texts, strict=True):
                found[row] = text
        return found

    answers, taken = timed(model.device, answer)
    return taken, answers


def _generated(
    model: LoadedModel, prompts: list[list[int]], longest: int, ends: list[int]
) -> list[str]:
    width, eos = max(map(len, prompts)), model.encoder.eos
    ids = torch.tensor([[eos] * (width - len(row)) + row for row in prompts], device=model.device)
    mask = torch.tensor(
        [[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=model.device
    )
    with torch.inference_mode():
        output: Any = model.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=longest,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=eos,
        )
    new: list[list[int]] = output[:, width:].tolist()
    return [model.encoder.decode(row).split("\n")[0].strip() for row in new]


def compare(
    model: LoadedModel,
    what: str,
    prompts: Sequence[list[int]],
    longest: int,
    batch: int,
    rounds: int,
    rates: Rates,
) -> dict[str, Any]:
    """Answers to the same prompts by both ways; those that differ are counted."""
    ends = ending_tokens(model.encoder)
    said: dict[str, list[str]] = {}

    def ours() -> Taken:
        taken, said["ours"] = by_engine(model, prompts, longest, batch)
        return taken

    def theirs() -> Taken:
        taken, said["theirs"] = by_transformers(model, prompts, longest, batch, ends)
        return taken

    found = interleaved({OURS: ours, "model.generate": theirs}, rounds)
    answers = [min(longest, len(model.encoder.ids(text)) + 1) for text in said["ours"]]
    limit = rates.limit(*generating(shape_of(model.model), prompts, answers, batch))
    pairs = zip(said["ours"], said["theirs"], strict=True)
    return {
        "what": f"generation, {len(prompts)} {what}, at most {longest} tokens",
        "amount": len(prompts),
        "unit": "items",
        "checks": {
            "answers_that_differ": sum(a != b for a, b in pairs),
            "mean_answer_tokens": sum(answers) / len(answers),
            "mean_prompt_tokens": sum(map(len, prompts)) / len(prompts),
        },
        "limit": limit,
        "ways": compared(found, OURS, limit["seconds"]),
    }
