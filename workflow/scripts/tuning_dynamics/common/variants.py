"""Checkpoints, their variants, and the cells of the grid."""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

#: Checkpoints whose tokens differ by less than this share are the same point of pre-training:
#: on the axis of log10 tokens they lie less than 0.005 apart.
NEAR_SHARE = 0.01


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One point of a family's pre-training."""

    family: str
    step: int


@dataclass(frozen=True)
class Variant:
    """Checkpoint x recipe x train set x seed: one set of weights to evaluate."""

    family: str
    step: int
    recipe: str
    train_set: str
    seed: int | None

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.family, self.step)

    def order(self) -> tuple[str, int, str, str, int]:
        """Sort key; base comes with seed -1."""
        seed = -1 if self.seed is None else self.seed
        return (self.family, self.step, self.recipe, self.train_set, seed)


class Setting(NamedTuple):
    """Evaluation set, format, shots, draw of the demonstrations and prediction method: a cell's
    key, less its variant."""

    eval_set: str
    format: str
    shots: int
    draw: int
    prediction: str

    def named(self) -> list[str | int]:
        """Its parts without draw 0: what is named after them keeps its name."""
        shown = [self.shots, self.draw] if self.draw else [self.shots]
        return [self.eval_set, self.format, *shown, self.prediction]


@dataclass(frozen=True)
class Cell:
    """Variant x evaluation set x format x shots x draw x prediction method."""

    variant: Variant
    eval_set: str
    format: str
    shots: int
    draw: int
    prediction: str

    @property
    def setting(self) -> Setting:
        return Setting(self.eval_set, self.format, self.shots, self.draw, self.prediction)


def drawn_name(dataset: str, draw: int) -> str:
    """The name of a draw of a set's demonstrations; draw 0 is the set's own."""
    return f"{dataset}/{draw}" if draw else dataset


def variant_key(variant: Variant) -> str:
    """`family/step/base` or `family/step/recipe/train_set/seedN`."""
    start = f"{variant.family}/{variant.step}/{variant.recipe}"
    return start if variant.recipe == "base" else f"{start}/{variant.train_set}/seed{variant.seed}"


@cache
def parse_variant(key: str) -> Variant:
    """The variant of a `variant_key`; ValueError if it is not one."""
    match = re.fullmatch(r"([^/]+)/(\d+)/(?:(base)|([^/]+)/([^/]+)/seed(\d+))", key)
    if match is None:
        raise ValueError(f"not a variant: {key}")
    family, step, base, recipe, train_set, seed = match.groups()
    if base:
        return Variant(family, int(step), "base", "", None)
    return Variant(family, int(step), recipe, train_set, int(seed))
