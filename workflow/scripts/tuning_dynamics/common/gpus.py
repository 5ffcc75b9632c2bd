"""Whether a job that should compute on a GPU sees it: a study on the CPU would take weeks."""

import importlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuning_dynamics.common.errors import StudyError

#: What a driver makes for each GPU that it has: NVIDIA's and AMD's.
DEVICES = ("dev/nvidia[0-9]*", "proc/driver/nvidia/gpus/*", "dev/kfd")


@dataclass(frozen=True)
class Seen:
    """What a job sees where torch can use no GPU: `built`, what torch was built for ("" for CPUs
    alone); `driver`, whether the machine has a GPU."""

    built: str
    driver: bool


def unseen_gpu(device: str, asked: int, environment: Mapping[str, str], seen: Seen) -> str | None:
    """Why a job must not go on on the CPU, and what to do, or None.

    `device` is the study's `execution.device`, `asked` the number of GPUs that the job asks for. A
    machine without a GPU computes on its CPU where the study leaves the choice (`auto`); one that
    has a GPU, or a SLURM job with a torch for GPUs, does not.
    """
    if device != "auto" or not asked:
        return None
    if not seen.driver and not (seen.built and "SLURM_JOB_ID" in environment):
        return None
    if not seen.built:
        return "install a torch for GPUs in this environment: its own is for CPUs alone"
    if environment.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1", "NoDevFiles"):
        return "unset CUDA_VISIBLE_DEVICES, which hides all GPUs, or ask SLURM for one"
    if not seen.driver:
        return "see whether the node's driver runs (nvidia-smi), or leave the node out"
    return f"compare the driver (nvidia-smi) with what torch was built for, {seen.built}"


def require_gpu(device: str, asked: int) -> None:
    """StudyError where a job that asks for GPUs would compute on the CPU unasked."""
    if device != "auto" or not asked:
        return
    # By name: jobs that ask for no GPU have no torch in their environment.
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        return
    built = torch.version.cuda or torch.version.hip or ""
    seen = Seen(built, _has_driver())
    todo = unseen_gpu(device, asked, os.environ, seen)
    if todo is not None:
        raise StudyError(
            "no GPU can be used here, though the job should have one",
            key="execution.device",
            value={
                "device": device,
                "torch": str(torch.__version__),
                "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES"),
            },
            fix=f"{todo}; or set execution.device to cpu, to compute on the CPU",
        )


def _has_driver() -> bool:
    """Whether this machine has a GPU with a driver, whatever this process may use of it."""
    if any(any(Path("/").glob(pattern)) for pattern in DEVICES):
        return True
    if shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU " in listed.stdout
