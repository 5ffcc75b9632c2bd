"""The learning rates that a study chooses: one for all checkpoints, or one for each."""

from collections import defaultdict
from typing import NamedTuple

from tuning_dynamics.config.recipe import RateSelection, selection
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid


class RateChoice(NamedTuple):
    """A choice among a recipe's candidates: for the checkpoint at `step`, or for all of them
    where it is None."""

    family: str
    recipe: str
    train_set: str
    step: int | None


def rate_choices(resolved: ResolvedStudy, grid: Grid) -> list[tuple[RateChoice, RateSelection]]:
    """Every choice of a study with its candidates, sorted by family, recipe, train set, step."""
    steps: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for variant in grid.tuned:
        steps[variant.family, variant.recipe, variant.train_set].add(variant.step)
    found: list[tuple[RateChoice, RateSelection]] = []
    for (family, recipe, train_set), own in sorted(steps.items()):
        among = selection(resolved.recipes[recipe])
        if among is not None:
            places = sorted(own) if among.chosen_at == "each" else [None]
            found += [(RateChoice(family, recipe, train_set, step), among) for step in places]
    return found
