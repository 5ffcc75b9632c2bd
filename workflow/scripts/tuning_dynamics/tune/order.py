"""Which examples each optimiser step takes."""

import random

from tuning_dynamics.engine.loop import Batch
from tuning_dynamics.tune.examples import Example


def steps_in(examples: int, batch_size: int, epochs: int) -> int:
    """Optimiser steps of a run; the last batch of an epoch may be smaller."""
    return epochs * -(-examples // batch_size)


class EpochBatches:
    """Minibatches without replacement, in a new seeded order each epoch."""

    def __init__(self, examples: list[Example], batch_size: int, seed: int) -> None:
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.per_epoch = steps_in(len(examples), batch_size, 1)
        self.order: tuple[int, list[int]] = (-1, [])

    def batch(self, step: int) -> Batch:
        """The examples of a step."""
        epoch, place = divmod(step, self.per_epoch)
        if self.order[0] != epoch:
            order = list(range(len(self.examples)))
            random.Random(f"{self.seed} epoch {epoch}").shuffle(order)
            self.order = (epoch, order)
        chosen = self.order[1][place * self.batch_size : (place + 1) * self.batch_size]
        rows = [self.examples[index] for index in chosen]
        return Batch([row.ids for row in rows], [row.targets for row in rows])


def mix(sources: dict[str, list[Example]], weights: dict[str, float], seed: int) -> list[Example]:
    """The rows of a data mix: all of $target, and of each other source its weight relative to
    the target's, drawn with the seed, repeated where the source is smaller than its share."""
    target = len(sources["$target"]) if "$target" in sources else None
    mixed: list[Example] = []
    for name in sorted(sources):
        rows = list(sources[name])
        random.Random(f"{seed} mix {name}").shuffle(rows)
        scale = weights[name] / weights["$target"] if target is not None else weights[name]
        wanted = round((target if target is not None else len(rows)) * scale)
        mixed += [rows[k % len(rows)] for k in range(wanted)]
    return mixed
