"""Few-shot demonstrations: set apart from training items, seeded, balanced over labels."""

import random
from collections import defaultdict
from dataclasses import replace

from tuning_dynamics.common.constants import DEMONSTRATION_SHARE, MOST_DEMONSTRATIONS
from tuning_dynamics.config.dataset import Kind
from tuning_dynamics.data.items import Item


def choose_demonstrations(
    train: list[Item], kind: Kind, rng: random.Random
) -> tuple[list[Item], list[Item]]:
    """(demonstrations, remaining training items).

    Labels alternate in the list, so that its first k are balanced for every k.
    """
    if kind == "instruction":
        return [], train
    order = list(train)
    rng.shuffle(order)
    queues: dict[str, list[Item]] = defaultdict(list)
    for item in order:
        queues[item.target if kind == "classification" else ""].append(item)
    turns = [queues[label] for label in sorted(queues)]
    rng.shuffle(turns)
    wanted = min(MOST_DEMONSTRATIONS, max(len(train) // DEMONSTRATION_SHARE, min(len(train), 1)))
    chosen = [item for rank in zip(*turns, strict=False) for item in rank][:wanted]
    taken = {item.item for item in chosen}
    return (
        [replace(item, split="demonstration") for item in chosen],
        [item for item in train if item.item not in taken],
    )
