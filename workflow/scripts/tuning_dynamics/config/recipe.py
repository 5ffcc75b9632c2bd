"""The typed files of `recipes/`: stages of objective x parameters x data x regulariser."""

from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from tuning_dynamics.common.registry import Kinds, Modules
from tuning_dynamics.config.base import (
    Fraction,
    Name,
    Strict,
    Unique,
    choice,
    refuse_repeats,
)

#: Which parameters a stage trains, and what it adds to its loss.
TRAINABLE: Kinds[str, ModuleType] = Modules("tuning_dynamics.recipes.trainable")
REGULARISERS: Kinds[str, ModuleType] = Modules("tuning_dynamics.recipes.regulariser")

Trained: Any = choice(TRAINABLE)
Regulariser: Any = choice(REGULARISERS)


class StageData(Strict):
    """What a stage trains on."""

    mix: Annotated[dict[str, PositiveFloat], Field(min_length=1)] = {"$target": 1.0}
    """Train set -> rows relative to the target's; $target is the variant's train set."""
    format: Name = "default"
    """Prompt format of the training examples."""
    dialogue: Literal["tulu", "chat_template"] = "tulu"
    """Layout of instruction data: TÜLU's text markers, or the template of the checkpoint's own
    tokenizer."""


class RateSelection(Strict):
    """Choose the learning rate on held-out training rows, never on an evaluation set."""

    candidates: Annotated[list[PositiveFloat], Field(min_length=2), Unique]
    """Peak learning rates to try, each in a run of its own."""
    heldout: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training rows held out to compare the candidates' losses on."""
    chosen_at: Literal["last", "each"] = "last"
    """Where candidates are tried: `last` tries them on the study's last checkpoint and uses the
    best for all; `each` tries and chooses at every checkpoint, so that none is tuned at a rate
    that suits another."""


class Optim(Strict):
    """AdamW and its schedule; the defaults are the paper's protocol."""

    lr: PositiveFloat | RateSelection | dict[str, PositiveFloat]
    """Peak learning rate, or one per train set with `default` for the others, or candidates to
    choose from."""
    epochs: PositiveInt = 3
    """Passes over the training rows."""
    batch_size: PositiveInt = 8
    """Examples in an optimiser step (effective batch)."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after warm-up."""
    warmup: Fraction = 0.03
    """Share of the steps over which the rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay."""
    clip_norm: PositiveFloat = 1.0
    """Largest norm of the gradient."""

    def rate(self, train_set: str) -> float:
        """The peak rate for a train set; KeyError without one (validated at load).

        ValueError if it is still to be chosen: see `with_rate`.
        """
        if isinstance(self.lr, RateSelection):
            raise ValueError("the learning rate is not chosen yet")
        if isinstance(self.lr, dict):
            return self.lr[train_set] if train_set in self.lr else self.lr["default"]
        return self.lr


class Stage(Strict):
    """One stage: objective x trainable parameters x data mix x regulariser."""

    id: Name
    """Name of the stage."""
    objective: Literal["sft"] = "sft"
    """sft: cross-entropy on completions; on the assistant's turns for instruction data."""
    train: Trained = "full"  # type: ignore[valid-type]
    """Which parameters train: a module of `recipes/trainable/`."""
    data: StageData = StageData()
    """What it trains on."""
    reg: Regulariser = "none"  # type: ignore[valid-type]
    """Regulariser added to the loss: a module of `recipes/regulariser/`."""
    optim: Optim
    """Optimiser and schedule."""


class Recipe(Strict):
    """How a checkpoint is tuned: stages in order, each from the one before."""

    stages: Annotated[list[Stage], Field(min_length=1)]

    @field_validator("stages")
    @classmethod
    def _ids_differ(cls, stages: list[Stage]) -> list[Stage]:
        refuse_repeats([stage.id for stage in stages])
        return stages


def selecting(recipe: Recipe) -> list[int]:
    """The numbers of the stages that have candidates."""
    return [n for n, stage in enumerate(recipe.stages) if isinstance(stage.optim.lr, RateSelection)]


def selection(recipe: Recipe) -> RateSelection | None:
    """How a recipe chooses its learning rate, in the first stage that does; None if none does."""
    found = [stage.optim.lr for stage in recipe.stages]
    return next((lr for lr in found if isinstance(lr, RateSelection)), None)


def without_place(recipe: Recipe) -> Recipe:
    """The recipe without where its learning rate is chosen, which no job's training depends on."""
    return Recipe(stages=[_without_place(stage) for stage in recipe.stages])


def _without_place(stage: Stage) -> Stage:
    if not isinstance(stage.optim.lr, RateSelection):
        return stage
    lr = stage.optim.lr.model_copy(update={"chosen_at": "last"})
    return stage.model_copy(update={"optim": stage.optim.model_copy(update={"lr": lr})})


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe with a learning rate in place of its candidates."""
    return Recipe(stages=[_with_rate(stage, rate) for stage in recipe.stages])


def _with_rate(stage: Stage, rate: float) -> Stage:
    if not isinstance(stage.optim.lr, RateSelection):
        return stage
    return stage.model_copy(update={"optim": stage.optim.model_copy(update={"lr": rate})})


def rate_name(rate: float) -> str:
    """A rate as written in paths and in rate.json, such as 2e-06; `float` reads it back."""
    return repr(float(rate))
