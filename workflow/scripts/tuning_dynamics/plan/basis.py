"""What prices rest on: a device's facts."""

from dataclasses import dataclass
from pathlib import Path

from tuning_dynamics.plan.devices import Device, device_of
from tuning_dynamics.study.models import Study


@dataclass(frozen=True)
class Basis:
    """The device that is planned for."""

    device: Device


def basis_of(study: Study, root: Path) -> Basis:
    """What a study is planned on; `root` is the repository. StudyError for an unknown device."""
    return Basis(device_of(study, root))
