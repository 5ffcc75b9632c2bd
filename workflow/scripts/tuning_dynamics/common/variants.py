"""What a study is made of: checkpoints, variants of them, and the cells that these fill."""

from dataclasses import dataclass

#: Evaluation set, format, shots and prediction method: what a cell is besides its variant.
Setting = tuple[str, str, int, str]


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


@dataclass(frozen=True)
class Cell:
    """Variant x evaluation set x format x shots x prediction method."""

    variant: Variant
    eval_set: str
    format: str
    shots: int
    prediction: str

    @property
    def setting(self) -> Setting:
        return (self.eval_set, self.format, self.shots, self.prediction)
