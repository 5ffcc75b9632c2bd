"""Recipes that have candidates for a learning rate, and the same with one of them."""

from pathlib import Path

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import RefusedError
from tuning_dynamics.config.recipe import RateSelection, Recipe, Stage


def selecting(recipe: Recipe) -> list[int]:
    """The numbers of the stages that have candidates."""
    return [n for n, stage in enumerate(recipe.stages) if isinstance(stage.optim.lr, RateSelection)]


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe with a learning rate where it has candidates."""
    return Recipe(stages=[_with_rate(stage, rate) for stage in recipe.stages])


def _with_rate(stage: Stage, rate: float) -> Stage:
    if not isinstance(stage.optim.lr, RateSelection):
        return stage
    return stage.model_copy(update={"optim": stage.optim.model_copy(update={"lr": rate})})


def chosen_rate(path: Path) -> float:
    """The rate of a rate.json; RefusedError where the train set was."""
    chosen = read_json(path)
    if "refused" in chosen:
        raise RefusedError(chosen["refused"])
    return float(chosen["rate"])


def rate_name(rate: float) -> str:
    """A rate as it stands in paths and in rate.json, such as 2e-06; `float` reads it back."""
    return repr(float(rate))
