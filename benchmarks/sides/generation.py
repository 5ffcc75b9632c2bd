"""Generating from the same prompts by the engine and by transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sides.machine import Rates, Taken, compared, interleaved, timed
from sides.setting import Setting
from sides.side import Side
from sides.work import generating, shape_of
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.model import LoadedModel

OURS = "this engine"


@dataclass(frozen=True)
class Asked:
    """Prompts (token ids), the longest answer in tokens, rows at a time, and a file of weights
    where they are not the setting's own."""

    prompts: list[list[int]]
    longest: int
    batch: int
    weights: Path | None = None


#: What generation took, the answers, and where they are known the tokens of each.
Answered = tuple[Taken, list[str], list[int]]


def by_engine(setting: Setting, asked: Asked) -> Answered:
    """By the engine, `batch` rows at a time or a few more."""
    model = setting.loaded(asked.weights)
    longest = max(map(len, asked.prompts)) + asked.longest + model.head_tokens
    answers, taken = timed(
        setting.device,
        lambda: generate(model, asked.prompts, asked.longest, asked.batch * longest),
    )
    return taken, answers, []


def by_transformers(setting: Setting, asked: Asked) -> Answered:
    """By `model.generate`: prompts sorted by length, padded on the left, `batch` rows at a time;
    an answer ends at end-of-text or a line break."""
    model = setting.loaded(asked.weights)
    ends, prompts = ending_tokens(setting.encoder), asked.prompts

    def answer() -> list[tuple[str, int]]:
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
        found = [("", 0)] * len(prompts)
        for start in range(0, len(order), asked.batch):
            rows = order[start : start + asked.batch]
            answers = _generated(model, [prompts[row] for row in rows], asked.longest, ends)
            for row, one in zip(rows, answers, strict=True):
                found[row] = one
        return found

    answers, taken = timed(setting.device, answer)
    return taken, [text for text, _ in answers], [length for _, length in answers]


def ending_tokens(encoder: Encoder) -> list[int]:
    """The tokens at which an answer of one line ends."""
    size = encoder.tokenizer.get_vocab_size()
    breaks = [token for token in range(size) if "\n" in encoder.decode([token])]
    return [encoder.eos, *breaks]


def _generated(
    model: LoadedModel, prompts: list[list[int]], longest: int, ends: list[int]
) -> list[tuple[str, int]]:
    """(text, tokens, the one that ends it included) of each row."""
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
    ending = set(ends)
    lengths = [next((n for n, t in enumerate(row, 1) if t in ending), len(row)) for row in new]
    texts = [model.encoder.decode(row).split("\n")[0].strip() for row in new]
    return list(zip(texts, lengths, strict=True))


def compare(
    ours: Side,
    theirs: Side,
    setting: Setting,
    what: str,
    asked: Asked,
    rounds: int,
    rates: Rates,
) -> dict[str, Any]:
    """Answers to the same prompts by both ways; those that differ are counted."""
    said: dict[str, list[str]] = {}
    lengths: list[int] = []

    def our() -> Taken:
        taken, said["ours"], _ = ours.call(by_engine, asked)
        return taken

    def their() -> Taken:
        taken, said["theirs"], lengths[:] = theirs.call(by_transformers, asked)
        return taken

    found = interleaved({OURS: our, "model.generate": their}, rounds)
    flops, moved = generating(shape_of(setting.model), asked.prompts, lengths, asked.batch)
    limit = rates.limit(flops, moved)
    pairs = zip(said["ours"], said["theirs"], strict=True)
    return {
        "what": f"generation, {what}: {len(asked.prompts)} items, at most {asked.longest} tokens",
        "amount": len(asked.prompts),
        "unit": "items",
        "checks": {
            "answers_that_differ": sum(a != b for a, b in pairs),
            "shortest_answer": min(lengths),
            "mean_answer_tokens": sum(lengths) / len(lengths),
            "longest_answer": max(lengths),
            "mean_prompt_tokens": sum(map(len, asked.prompts)) / len(asked.prompts),
        },
        "limit": limit,
        "ways": compared(found, OURS, limit["seconds"]),
    }
