"""A device's calibration from past runs: how long its jobs take relative to the equations.

One small file per device, `calibration/{device}.yaml` in a catalogue folder, which
`snakemake calibrate` writes and which can be shared.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tuning_dynamics.config.base import Strict
from tuning_dynamics.config.device import Range
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.config.study import Study

#: A fit applies to models with up to this many times, or this fraction of, its models' weights.
REACH = 4.0


class Fit(Strict):
    """Jobs of a kind that the equations price: seconds = start + factor x planned work."""

    jobs: PositiveInt
    """Number of jobs that it was made from."""
    start: NonNegativeFloat
    """Seconds before the work: libraries, device, model class."""
    factor: PositiveFloat
    """Seconds of work per likely second of the equations."""
    low: PositiveFloat
    """Low end of a job's seconds, as a share of the likely ones."""
    high: PositiveFloat
    """High end of a job's seconds, as a share."""
    weights: Annotated[tuple[PositiveFloat, PositiveFloat], Field(strict=False)]
    """Fewest and most weights of the models."""

    def reaches(self, parameters: float) -> bool:
        """Whether it applies to models of that size."""
        fewest, most = self.weights
        return fewest / REACH <= parameters <= most * REACH

    def seconds(self, work: float) -> Range:
        """The seconds of a job with this much likely work by the equations."""
        likely = self.start + self.factor * work
        return Range(self.low * likely, likely, self.high * likely)


class Mean(Strict):
    """Jobs of a rule that no equation prices: seconds of one job."""

    jobs: PositiveInt
    """Number of jobs that it was made from."""
    seconds: PositiveFloat
    """Mean seconds."""
    low: PositiveFloat
    """Low end of a job's seconds, as a share of the mean."""
    high: PositiveFloat
    """High end of a job's seconds, as a share."""

    def range(self, share: float) -> Range:
        """The seconds of a job, in a study with this many times the cells."""
        likely = self.seconds * share
        return Range(self.low * likely, likely, self.high * likely)


class Calibration(Strict):
    """The file: where it comes from, a fit for each kind of model job, a mean for each rule."""

    device: str
    """The device: a file of devices/."""
    study: str
    """Study that it was made from."""
    cells: PositiveInt
    """Cells of that study."""
    jobs: PositiveInt
    """Number of jobs of all kinds that it was made from."""
    date: str
    """Day on which it was made."""
    machine: str
    """Processor and GPU."""
    software: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """Versions."""
    fits: dict[str, Fit]
    """By kind: pretrain, tune, evaluate."""
    rules: dict[str, Mean]
    """By rule, for those that no equation prices."""


def calibration_path(study: Study, root: Path) -> Path:
    """Where a study's calibration is written: in its first catalogue folder."""
    return root / study.catalogue[0] / "calibration" / f"{study.execution.plan_for}.yaml"


def calibration_of(study: Study, root: Path) -> Calibration | None:
    """The calibration of a study's device, from its catalogue folders; None if there is none.

    StudyError for a file that is not one.
    """
    for folder in study.catalogue:
        path = root / folder / "calibration" / f"{study.execution.plan_for}.yaml"
        if path.is_file():
            calibration: Calibration = parse(Calibration, read_yaml(path), path)
            return calibration
    return None
