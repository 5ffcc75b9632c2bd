"""The floating-point operations and bytes that a result needs mathematically, whoever computes it.

A product of an (n, k) and a (k, m) matrix counts 2nkm. Norms, rotations and the softmax are left
out: they are small next to the products, so that the limit stays a lower bound.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What of a model its cost depends on: weights of all layers' matrices, all weights, layers,
    width, words, bytes of a weight."""

    layers_weights: int
    weights: int
    layers: int
    width: int
    words: int
    bytes_each: int

    def read(self, start: int, end: int) -> float:
        """FLOPs of reading the tokens [start, end) of a text after the ones before it: each
        attends to those before it and to itself."""
        count = end - start
        attended = (start + 1 + end) * count / 2
        return 2 * self.layers_weights * count + 4 * self.width * self.layers * attended

    @property
    def head(self) -> float:
        """FLOPs of the scores of all words at one position."""
        return 2 * self.words * self.width

    @property
    def kept(self) -> int:
        """Bytes of the keys and values of one token."""
        return 2 * self.layers * self.width * self.bytes_each


def shape_of(model: Any) -> Shape:
    """The shape of an OLMo model."""
    config = model.config
    return Shape(
        sum(p.numel() for p in model.model.layers.parameters()),
        sum(p.numel() for p in model.parameters()),
        config.num_hidden_layers,
        config.hidden_size,
        config.vocab_size,
        next(model.parameters()).element_size(),
    )


def tuning(shape: Shape, rows: Iterable[tuple[int, int]], steps: int) -> tuple[float, float]:
    """(FLOPs, bytes) of tuning on rows of (tokens, targets): forward, and twice that backward.

    AdamW reads weight, gradient and two moments and writes weight and moments, in fp32.
    """
    forward = sum(shape.read(0, tokens) + shape.head * targets for tokens, targets in rows)
    return 3 * forward, 28.0 * shape.weights * steps


def reading(shape: Shape, texts: Sequence[Sequence[int]]) -> float:
    """FLOPs of reading texts when no beginning that several share is read twice."""
    flops, before = 0.0, list[int]()
    for text in sorted(map(list, texts)):
        pairs = enumerate(zip(before, text, strict=False))
        start = next((place for place, (a, b) in pairs if a != b), min(len(before), len(text)))
        flops += shape.read(start, len(text))
        before = text
    return flops


def generating(
    shape: Shape, prompts: Sequence[Sequence[int]], answers: Sequence[int], batch: int
) -> tuple[float, float]:
    """(FLOPs, bytes) of reading prompts and of generating `answers` tokens after each: the last
    of them is not read. Every step of a batch reads all weights, and a row's keys and values."""
    flops, moved, steps = reading(shape, prompts), 0.0, 0
    for prompt, count in zip(prompts, answers, strict=True):
        flops += shape.read(len(prompt), len(prompt) + max(0, count - 1)) + count * shape.head
        moved += sum(len(prompt) + place for place in range(count)) * shape.kept
    for start in range(0, len(answers), batch):
        steps += max(answers[start : start + batch])
    return flops, moved + steps * shape.weights * shape.bytes_each
