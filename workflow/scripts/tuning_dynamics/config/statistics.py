"""Settings of statistics: resampling, thresholds, and what is compared."""

from typing import Annotated, Literal

from pydantic import Field

from tuning_dynamics.config.base import Seed, Strict, Unique

# Names in published scores, whose sets and recipes need not be files.
Listed = Annotated[list[str], Field(min_length=1), Unique]


class TransferSettings(Strict):
    """Which sets transfer.csv covers; none: all of the main recipe."""

    train_sets: Listed | None = None
    """Train sets that count."""
    eval_sets: Listed | None = None
    """Evaluation sets that count."""


class DeclaredGroups(Strict):
    """Evaluation sets by whether the base model learns them in pre-training, as declared."""

    learned: Listed
    """Sets that it learns."""
    not_learned: Listed
    """Sets that it does not learn; sets in neither list stay undecided."""


#: Key columns of changes.csv by which its tests may be divided into families.
TestColumn = Literal[
    "family",
    "checkpoint",
    "recipe",
    "train_set",
    "seed",
    "eval_set",
    "task",
    "kind",
    "role",
    "format",
    "shots",
    "draw",
    "prediction",
    "metric",
]


class StatisticsSettings(Strict):
    """Resampling and thresholds."""

    resamples: Annotated[int, Field(ge=100)] = 3000
    """Bootstrap resamples."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of intervals."""
    seed: Seed = 0
    """Seed of resampling."""
    interval: Literal["percentile", "bca"] = "percentile"
    """Bootstrap intervals of scores and changes: percentile, or bias-corrected and accelerated,
    which is more accurate for few or skewed scores."""
    test_families: Annotated[list[TestColumn], Unique] = ["recipe"]
    """Columns of changes.csv; tests that agree in them form a family, within which the false
    discovery rate is controlled. None: all tests are one family."""
    learned_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """A curve over pre-training is shown to rise when the p-value of a rise is under this; a set
    on which base rises counts as learned."""
    flat_margin: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """A slope, in score per tenfold tokens, that counts as none: a curve whose slope lies within
    it, with its interval, is flat; one that rises by less at its end has stopped rising."""
    main_recipe: str = "full"
    """Recipe that transfer and groups are computed on, so that like is compared with like."""
    transfer: TransferSettings = TransferSettings()
    groups: DeclaredGroups | None = None
    """Groups of evaluation sets; none: found by the trend of base."""
    group_recipes: Listed | None = None
    """Recipes whose changes the groups compare, each set under only one; none: the main recipe."""
    group_roles: Annotated[
        list[Literal["id", "ood", "cross", "bench"]], Field(min_length=1), Unique
    ] = ["id", "ood"]
    """Roles of evaluation sets whose changes the groups compare."""
