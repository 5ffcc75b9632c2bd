"""A short training run of tiny models: its settings, and its examples."""

import torch

from tuning_dynamics.engine.loop import Schedule, Settings
from tuning_dynamics.engine.padding_free import IGNORED
from tuning_dynamics.recipes.regulariser.l2_to_base import penalty as l2_to_start
from tuning_dynamics.tune.sampler import Example

STEPS = 12


def settings(micro_batch: int = 8, seed: int = 0, rate: float = 1e-2, l2: float = 0.0) -> Settings:
    """Settings of a run of STEPS steps."""
    return Settings(
        schedule=Schedule(rate, STEPS, 0.1, "linear"),
        weight_decay=0.1,
        clip_norm=1.0,
        betas=(0.9, 0.999),
        seed=seed,
        micro_batch=micro_batch,
        save_seconds=1e9,
        penalty=l2_to_start(l2) if l2 else None,
    )


def examples() -> list[Example]:
    """Twenty examples of different lengths."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for n in range(20):
        ids = torch.randint(1, 60, (5 + n % 7,), generator=generator).tolist()
        targets = [IGNORED, IGNORED, *ids[3:], 0]
        made.append(Example(ids, targets, False))
    return made
