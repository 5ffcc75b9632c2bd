"""Peak speeds of devices, from their makers' data sheets, and the share that jobs reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.base import Strict
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.config.study import Study


class Device(Strict):
    """A device's limits: a file of `devices/`, so that a new file adds a device.

    Peaks are dense and without TF32, which torch leaves off for matrix products.
    """

    name: Annotated[str, Field(min_length=1)]
    """Name in the budget."""
    bf16: PositiveFloat
    """Peak of bf16 matrix products in FLOP/s, without sparsity."""
    fp32: PositiveFloat
    """Peak of fp32 products in FLOP/s."""
    bandwidth: PositiveFloat
    """Memory bandwidth in B/s."""
    memory: PositiveFloat | None = None
    """Memory in bytes; none if it is the machine's memory, as for a CPU core."""
    watts: PositiveFloat | None = None
    """Board power; none if it is unknown."""
    known_as: list[str] = []
    """Its names in torch (`cpu` without a GPU): costs recorded under these may calibrate it."""

    @property
    def unit(self) -> str:
        """The unit of its hours."""
        return "core-hours" if self.memory is None else "GPU-hours"


def device_of(study: Study, root: Path) -> Device:
    """The device that a study is planned for, from its catalogue folders or the shipped ones.

    `root` is the repository. StudyError if no file describes it.
    """
    name = study.execution.plan_for
    folders = [root / folder / "devices" for folder in [*study.catalogue, "config"]]
    for folder in folders:
        path = folder / f"{name}.yaml"
        if path.is_file():
            device: Device = parse(Device, read_yaml(path), path)
            return device
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise StudyError(
        "the cost model does not know the device to plan for",
        key="execution.plan_for",
        value=name,
        fix=f"known: {', '.join(known)}; or describe it in {study.catalogue[0]}/devices/"
        f"{name}.yaml, as config/devices/h100.yaml does: peak FLOP/s in bf16 and fp32, bandwidth "
        "in B/s, memory in bytes, watts",
    )


@dataclass(frozen=True)
class Assumed:
    """Assumptions that no data sheet gives. Three sets of them give every figure its range."""

    bf16_use: float
    """Share of the bf16 peak that training, and reading prompts in bf16, reach."""
    fp32_use: float
    """Share of the fp32 peak that reading prompts in fp32 reaches."""
    memory_use: float
    """Share of the memory bandwidth that reading weights reaches."""
    link: float
    """Bytes per second that a GPU receives from the GPUs that share a model with it."""
    launch: float
    """Least seconds of a layer's forward pass, however small its work."""
    start: float
    """Seconds until a job's libraries are imported and its device is ready."""
    read: float
    """Bytes per second from disk to device."""
    write: float
    """Bytes per second to disk."""
    item: float
    """Seconds of an item outside the model: tokenizing its prompt, writing its record."""


# bf16: training 1.3 billion weights in bf16 with autocast, in texts of 1,024 and 2,048 tokens, is
# published at 60 % of an A100's peak and 42 % of an H100's (benchmark tables of MosaicML's
# llm-foundry, with its own fused kernels and 14 to 18 texts in a pass); batches of 8 short texts
# and transformers' kernels reach less. fp32: products reach most of the small fp32 peak. Launch:
# eager transformers on a GPU take 0.4 to 1 ms per layer, whatever the batch. Bandwidth: a plain
# copy reaches 90 % of an H200's. Link: NVLink has 300 to 450 GB/s each way, PCIe 25. Start: imports
# took 2 to 8 s on a busy core; a CUDA context and a cold network file system add to it. Item:
# prompts of 71 and 373 tokens took 0.6 to 0.75 ms of one core, their records included; some cores
# share it.
#: Low, likely and high.
CASES = (
    Assumed(0.50, 0.80, 0.85, 300e9, 0.3e-3, 5, 3e9, 2e9, 0.2e-3),
    Assumed(0.40, 0.60, 0.70, 200e9, 0.6e-3, 12, 1e9, 1e9, 0.7e-3),
    Assumed(0.20, 0.40, 0.40, 20e9, 1.2e-3, 45, 0.3e9, 0.5e9, 3e-3),
)


@dataclass(frozen=True)
class Range:
    """A figure under the low, the likely and the high assumptions."""

    low: float = 0.0
    mid: float = 0.0
    high: float = 0.0

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __mul__(self, number: float) -> "Range":
        return Range(self.low * number, self.mid * number, self.high * number)

    def __truediv__(self, number: float) -> "Range":
        return self * (1 / number)


def total(ranges: Iterable[Range]) -> Range:
    """The sum of ranges: all low, all likely, all high."""
    low = mid = high = 0.0
    for one in ranges:
        low, mid, high = low + one.low, mid + one.mid, high + one.high
    return Range(low, mid, high)
