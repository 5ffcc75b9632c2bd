"""What runs have shown of a device: how long its jobs take against the equations.

One small file per device, `calibration/{device}.yaml` in a catalogue folder, which
`snakemake calibrate` writes and anybody may pass on.
"""

from pathlib import Path

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from tuning_dynamics.config.base import Strict
from tuning_dynamics.config.device import Range
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.config.study import Study

#: A fit speaks of models of up to this many times, or this part of, the weights it was made on.
REACH = 4.0


class Fit(Strict):
    """Jobs of a kind that the equations price: seconds = start + factor x planned work."""

    jobs: PositiveInt
    """Jobs that it was made on."""
    start: NonNegativeFloat
    """Seconds beside the work: libraries, device, model class."""
    factor: PositiveFloat
    """Seconds of work for each that the equations give as likely."""
    low: PositiveFloat
    """A cheap job's seconds, as a share of these."""
    high: PositiveFloat
    """A dear job's."""
    weights: tuple[PositiveFloat, PositiveFloat]
    """Fewest and most weights of the models."""

    def reaches(self, parameters: float) -> bool:
        """Whether it speaks of models of that size."""
        fewest, most = self.weights
        return fewest / REACH <= parameters <= most * REACH

    def seconds(self, work: float) -> Range:
        """The seconds of a job with that much likely work by the equations."""
        likely = self.start + self.factor * work
        return Range(self.low * likely, likely, self.high * likely)


class Mean(Strict):
    """Jobs of a rule that no equation prices: seconds of one."""

    jobs: PositiveInt
    """Jobs that it was made on."""
    seconds: PositiveFloat
    """Mean of them."""
    low: PositiveFloat
    """A cheap job's seconds, as a share of it."""
    high: PositiveFloat
    """A dear job's."""

    def range(self, share: float) -> Range:
        """The seconds of a job, in a study with that many times the cells."""
        likely = self.seconds * share
        return Range(self.low * likely, likely, self.high * likely)


class Calibration(Strict):
    """The file: where it comes from, a fit for each kind of model job, a mean for each rule."""

    device: str
    """File of devices/ that it is of."""
    study: str
    """Study that it was made on."""
    cells: PositiveInt
    """Cells of that study."""
    jobs: PositiveInt
    """Jobs that it was made on, of all kinds."""
    date: str
    """Day it was made on."""
    machine: str
    """Processor and GPU."""
    software: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """Versions."""
    fits: dict[str, Fit]
    """By kind: pretrain, tune, evaluate."""
    rules: dict[str, Mean]
    """By rule, of those that no equation prices."""


def calibration_path(study: Study, root: Path) -> Path:
    """Where a study's calibration is written: in its first catalogue folder."""
    return root / study.catalogue[0] / "calibration" / f"{study.execution.plan_for}.yaml"


def calibration_of(study: Study, root: Path) -> Calibration | None:
    """The calibration of a study's device, from its catalogue folders; None where there is none.

    StudyError for a file that is not one.
    """
    for folder in study.catalogue:
        path = root / folder / "calibration" / f"{study.execution.plan_for}.yaml"
        if path.is_file():
            calibration: Calibration = parse(Calibration, read_yaml(path), path)
            return calibration
    return None
