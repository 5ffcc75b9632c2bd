"""What a machine can do at most, and timing that is fair on one that others use too."""

import contextlib
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from unittest.mock import patch

import torch

T = TypeVar("T")

PACKAGES = ("torch", "transformers", "trl", "lm_eval", "accelerate")


@dataclass(frozen=True)
class Rates:
    """Measured upper bounds: matrix products in FLOP/s of a dtype, copying in bytes/s (read and
    written bytes both count)."""

    dtype: str
    products: float
    copying: float

    def limit(self, flops: float, moved: float) -> dict[str, float]:
        """The seconds that work needs at least: its products and its bytes, side by side."""
        products, copying = flops / self.products, moved / self.copying
        seconds = max(products, copying)
        return {"flops": flops, "bytes": moved, "seconds": seconds, "product_seconds": products}


def wait_for(device: torch.device) -> None:
    """Return once a GPU has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_rates(
    device: torch.device, dtype: torch.dtype, side: int = 2048, copied: int = 1 << 28
) -> Rates:
    """The best of several products of square matrices of `side`, and of several copies of so many
    bytes."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    source = torch.zeros(copied, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    product = shortest(device, lambda: left @ right)
    copy = shortest(device, lambda: target.copy_(source))
    return Rates(str(dtype).removeprefix("torch."), 2 * side**3 / product, 2 * copied / copy)


def shortest(device: torch.device, do: Callable[[], Any], times: int = 8) -> float:
    """The shortest of several times in seconds, the first left out."""
    found = []
    for _ in range(times + 1):
        wait_for(device)
        began = time.perf_counter()
        do()
        wait_for(device)
        found.append(time.perf_counter() - began)
    return min(found[1:])


@contextlib.contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Have products of fp32 tensors computed in fp32, in tf32, or in bf16 as the engine has tuning
    do on a GPU."""
    none = contextlib.nullcontext
    with contextlib.ExitStack() as stack:
        if precision != "bf16":
            stack.enter_context(patch.object(torch, "autocast", lambda *_, **__: none()))
        elif device.type == "cpu":
            # Copies of weights must not outlive a step.
            stack.enter_context(torch.autocast("cpu", torch.bfloat16, cache_enabled=False))
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        stack.callback(torch.set_float32_matmul_precision, "highest")
        yield


@dataclass(frozen=True)
class Taken:
    """Wall and CPU seconds of one run."""

    wall: float
    cpu: float


def summed(parts: Iterable[Taken]) -> Taken:
    """What several runs took together."""
    found = list(parts)
    return Taken(sum(part.wall for part in found), sum(part.cpu for part in found))


def timed(device: torch.device, do: Callable[[], T]) -> tuple[T, Taken]:
    """What `do` returns, and what it took."""
    wait_for(device)
    wall, cpu = time.perf_counter(), time.process_time()
    result = do()
    wait_for(device)
    return result, Taken(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(ways: Mapping[str, Callable[[], Taken]], rounds: int) -> dict[str, list[Taken]]:
    """What each way took in each round; the ways take turns, so that a slow minute of the machine
    falls on all of them. The order is turned round in every second round."""
    found: dict[str, list[Taken]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 == 0 else -1]:
            found[name].append(ways[name]())
    return found


def compared(found: Mapping[str, list[Taken]], ours: str, limit: float) -> dict[str, Any]:
    """By way: median seconds, how many times as long as `ours` (median, least and most of the
    rounds' ratios), and the physical limit's share of its time."""
    table = {}
    for name, runs in found.items():
        pairs = zip(runs, found[ours], strict=True)
        ratios = [run.wall / our.wall for run, our in pairs]
        seconds = statistics.median(run.wall for run in runs)
        table[name] = {
            "seconds": seconds,
            "cpu_seconds": statistics.median(run.cpu for run in runs),
            "times_ours": statistics.median(ratios),
            "times_ours_low": min(ratios),
            "times_ours_high": max(ratios),
            "share_of_limit": limit / seconds,
            "runs": [asdict(run) for run in runs],
        }
    return table


def described(device: torch.device) -> dict[str, Any]:
    """The machine, the date and the versions, as the results' head."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        **(_gpu(device) if device.type == "cuda" else {"device": platform.machine()}),
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
    }


def _gpu(device: torch.device) -> dict[str, Any]:
    """The card, its memory, the driver and CUDA."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
        driver = said.partition("\n")[0]
    except OSError:
        driver = ""
    card = torch.cuda.get_device_properties(device)
    memory = card.total_memory / 1e9
    return {"device": card.name, "memory_gb": memory, "driver": driver, "cuda": torch.version.cuda}


def _cpu() -> str:
    """The processor's name, as Linux reports it, else the platform's."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.split(":")[1].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
