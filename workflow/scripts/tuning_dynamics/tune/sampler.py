"""Which examples each optimiser step takes."""

import random
from array import array
from collections.abc import Mapping, Sequence

from tuning_dynamics.engine.loop import Batch
from tuning_dynamics.tune.examples import Example, Examples


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
    """Rows of several sources in one order: row k is `sources[source[k]][place[k]]`."""

    def __init__(self, sources: Sequence[Examples]) -> None:
        self.sources = sources
        self.source, self.place = array("B"), array("q")

    def add(self, source: int, order: Sequence[int], wanted: int) -> None:
        """Take `wanted` rows of a source in an order, from its beginning again where it ends."""
        self.source.extend([source] * wanted)
        self.place.extend(order[k % len(order)] for k in range(wanted))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int, /) -> Example:
        return self.sources[self.source[row]][self.place[row]]


def mix(sources: Mapping[str, Examples], weights: Mapping[str, float], seed: int) -> Mix:
    """The rows of a data mix: all of $target, and of each other source its weight relative to
    the target's, drawn with the seed, repeated where the source is smaller than its share."""
    target = len(sources["$target"]) if "$target" in sources else None
    names = sorted(sources)
    mixed = Mix([sources[name] for name in names])
    for number, name in enumerate(names):
        length = len(sources[name])
        scale = weights[name] / weights["$target"] if target is not None else weights[name]
        wanted = round((target if target is not None else length) * scale)
        mixed.add(number, shuffled(length, f"{seed} mix {name}"), wanted)
    return mixed
