"""Training examples of encoded sets, and which of them each optimiser step takes."""

import random
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.sampling import selection_key, smallest
from tuning_dynamics.data.token_store import StoredTokens, Tokens
from tuning_dynamics.engine.loop import Batch
from tuning_dynamics.engine.padding_free import IGNORED


@dataclass(frozen=True)
class Example:
    """One sequence: `targets[t]` is what position t must predict, or IGNORED.

    `truncated`: it was cut to the longest length.
    """

    ids: list[int]
    targets: list[int]
    truncated: bool


class Examples(Protocol):
    """Examples by their place; those on disk are made on access."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Example: ...


def example_of(tokens: Tokens) -> Example:
    """The example of a training sequence: each token predicts the next one."""
    targets = [IGNORED] * (len(tokens.ids) - 1)
    for start, end in tokens.counted:
        first = max(start, 1)
        targets[first - 1 : end - 1] = tokens.ids[first:end]
    return Example(tokens.ids[:-1], targets, tokens.truncated)


class StoredExamples:
    """The examples of an encoded set, or those at its `places`."""

    def __init__(self, tokens: StoredTokens, places: "array[int] | None" = None) -> None:
        self.tokens, self.places = tokens, places

    def __len__(self) -> int:
        return len(self.tokens) if self.places is None else len(self.places)

    def __getitem__(self, place: int, /) -> Example:
        return example_of(self.tokens[place if self.places is None else self.places[place]])


def hold_out(path: Path, share: float, seed: int) -> tuple[StoredExamples, StoredExamples]:
    """(examples to train on, held-out examples) of an encoded set; both keep its order.

    The seed and the items' ids determine the held-out ones. StudyError for a set of one example.
    """
    tokens = StoredTokens(path)
    if len(tokens) < 2:
        raise StudyError(
            "a train set has too few examples to hold any out",
            file=path,
            key="optim.lr.heldout",
            value=len(tokens),
            fix="give it more rows, or give the recipe's stage one learning rate",
        )
    keys = [selection_key(f"{seed} heldout", item) for item in tokens.items]
    held = smallest(keys, min(max(1, round(share * len(keys))), len(keys) - 1))
    places: dict[int, array[int]] = {0: array("q"), 1: array("q")}
    for place, out in enumerate(held):
        places[out].append(place)
    return StoredExamples(tokens, places[0]), StoredExamples(tokens, places[1])


def steps_in(examples: int, batch_size: int, epochs: int) -> int:
    """Optimiser steps of a run; the last batch of an epoch may be smaller."""
    return epochs * -(-examples // batch_size)


class EpochBatches:
    """Minibatches without replacement, in a new seeded order each epoch."""

    def __init__(self, examples: Examples, batch_size: int, seed: int) -> None:
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.per_epoch = steps_in(len(examples), batch_size, 1)
        self.order: tuple[int, array[int]] = (-1, array("q"))

    def batch(self, step: int) -> Batch:
        """The examples of a step."""
        epoch, place = divmod(step, self.per_epoch)
        if self.order[0] != epoch:
            self.order = (epoch, shuffled(len(self.examples), f"{self.seed} epoch {epoch}"))
        chosen = self.order[1][place * self.batch_size : (place + 1) * self.batch_size]
        rows = [self.examples[index] for index in chosen]
        return Batch([row.ids for row in rows], [row.targets for row in rows])


def shuffled(length: int, seed: str) -> "array[int]":
    """0 to `length` - 1 in a seeded order, 8 bytes each."""
    order = array("q", range(length))
    random.Random(seed).shuffle(order)
    return order


class Mix:
    """Rows of several sources in one sequence: row k is `sources[source[k]][place[k]]`."""

    def __init__(self, sources: Sequence[Examples]) -> None:
        self.sources = sources
        self.source, self.place = array("B"), array("q")

    def add(self, source: int, order: Sequence[int], wanted: int) -> None:
        """Take `wanted` rows of a source in the given order, starting over at its end."""
        self.source.extend([source] * wanted)
        self.place.extend(order[k % len(order)] for k in range(wanted))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int, /) -> Example:
        return self.sources[self.source[row]][self.place[row]]


def mix(sources: Mapping[str, Examples], weights: Mapping[str, float], seed: int) -> Mix:
    """The rows of a data mix: all of $target, and from each other source its weight relative to
    the target's, drawn with the seed, repeated if the source is smaller than its share."""
    target = len(sources["$target"]) if "$target" in sources else None
    names = sorted(sources)
    mixed = Mix([sources[name] for name in names])
    for number, name in enumerate(names):
        length = len(sources[name])
        scale = weights[name] / weights["$target"] if target is not None else weights[name]
        wanted = round((target if target is not None else length) * scale)
        mixed.add(number, shuffled(length, f"{seed} mix {name}"), wanted)
    return mixed
