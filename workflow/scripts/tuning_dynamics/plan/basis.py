"""The basis of prices: a device's facts, and its calibration from past runs."""

from dataclasses import dataclass
from pathlib import Path

from tuning_dynamics.config.device import Device, device_of
from tuning_dynamics.config.study import Study
from tuning_dynamics.plan.calibration import Calibration, calibration_of


@dataclass(frozen=True)
class Basis:
    """The device that is planned for, and its calibration; without one, equations alone."""

    device: Device
    calibration: Calibration | None = None


def basis_of(study: Study, root: Path) -> Basis:
    """The basis of a study's plan; `root` is the repository.

    StudyError for a device that no file describes, or a broken calibration.
    """
    return Basis(device_of(study, root), calibration_of(study, root))
