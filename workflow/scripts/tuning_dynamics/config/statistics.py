"""Settings of statistics: resampling, thresholds, and what is compared."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

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


class PowerSettings(Strict):
    """What is assumed before a run, to say the smallest difference that it can see."""

    base_score: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of right answers of the untuned model; at .5 answers vary most."""
    flips: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of items whose answer tuning turns right or wrong, both ways together."""
    sd_items: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Generation: standard deviation between items of a score, and of a change."""
    sd_seeds: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Standard deviation of a change between seeds of tuning, items aside."""
    sd_draws: Annotated[float, Field(ge=0, le=1)] = 0.03
    """Standard deviation of a few-shot score between draws of demonstrations, items aside."""
    sd_train_sets: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Standard deviation of the true mean change between train sets of one kind."""
    sd_eval_sets: Annotated[float, Field(ge=0, le=1)] = 0.02
    """The same between evaluation sets of one kind."""
    sd_pairs: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Standard deviation of the true change between pairs of train and evaluation set, beyond
    those of the sets."""


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
    change_margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """The smallest change of score, or difference of two changes, that counts; of a slope, the one
    that makes this change from the first tuned checkpoint to the last. A finding is contradicted
    by an interval that excludes so large an effect."""
    last_checkpoints: Annotated[int, Field(ge=3)] = 10
    """How many of the last checkpoints noise between checkpoints is over; where there are fewer,
    all of them."""
    reruns: dict[str, str] = {}
    """Families whose pre-training is another's done again -> that other family."""
    power: PowerSettings = PowerSettings()
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
    group_metric: str | None = None
    """Metric of the evaluation sets whose changes the groups compare; none: the paper's way, means
    over sets of all metrics."""

    @field_validator("reruns")
    @classmethod
    def _of_originals(cls, reruns: dict[str, str]) -> dict[str, str]:
        for again, original in reruns.items():
            if original in reruns:
                raise ValueError(f"{again} repeats {original}, which is a rerun: name the original")
        return reruns
