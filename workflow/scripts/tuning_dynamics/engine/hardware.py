"""The device that a job computes on: how it is made deterministic, and its peak speed."""

import ctypes
import os
import resource
import sys
from typing import Literal

import torch

from tuning_dynamics.common.errors import StudyError

#: Dense bf16 peak in FLOP/s, from the makers' data sheets, by torch's full name: an H100 PCIe or
#: NVL, or a slice of a GPU, is not an H100 SXM. A device that is not listed yields no utilisation
#: rather than a wrong one.
PEAK_FLOPS = {
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA GeForce RTX 4090": 165e12,
}


def prepare_device(choice: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to use, set up so that one seed gives one result.

    One CPU thread per job: jobs run side by side, and the order of sums stays the same however
    many cores there are. StudyError if cuda is requested but absent.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Filling memory before it is written only helps debugging; it took a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _keep_freed_memory()
    if choice == "cuda" and not torch.cuda.is_available():
        raise StudyError(
            "no GPU is visible to this job",
            key="execution.device",
            value=choice,
            fix="ask for a GPU (profile), or set execution.device to auto or cpu",
        )
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def _keep_freed_memory() -> None:
    """Make the C library reuse the memory of large tensors instead of returning it.

    By default it asks the system for new pages at every step, which took a sixth of a CPU step.
    Does nothing on other systems than Linux.
    """
    if sys.platform == "linux":
        # From glibc's malloc.h: M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, in bytes.
        for parameter, value in ((-3, 2**30), (-1, 2**31 - 1)):
            ctypes.CDLL(None).mallopt(parameter, value)


def device_name(device: torch.device) -> str:
    """The device's name in tables: the GPU's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory so far in MB: the GPU's allocations, or the process' resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def utilisation(device: torch.device, flops: float, seconds: float) -> float | None:
    """Model FLOPs utilisation (Chowdhery et al. 2022, arXiv 2204.02311): the model's FLOPs as a
    share of those at the device's peak in that time; None if its peak is unknown."""
    peak = PEAK_FLOPS.get(device_name(device))
    return None if peak is None else flops / (seconds * peak)
