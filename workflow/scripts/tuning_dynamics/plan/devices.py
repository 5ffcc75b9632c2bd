"""What devices can do, from their makers' data sheets, and how much of it jobs get."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A device's limits: dense peak in FLOP/s, memory bandwidth in B/s, memory in bytes.

    `memory` is None where it is the machine's and not the device's own.
    """

    name: str
    bf16: float
    fp32: float
    bandwidth: float
    memory: float | None
    unit: str = "GPU-hours"


#: By the name that a study's execution.plan_for gives. Dense peaks, without sparsity; fp32
#: without TF32, which torch leaves off for matrix products.
DEVICES = {
    # NVIDIA A100 80GB SXM data sheet (2021).
    "a100": Device("A100 80GB", 312e12, 19.5e12, 2039e9, 80e9),
    # NVIDIA H100 SXM data sheet (2023).
    "h100": Device("H100", 989e12, 67e12, 3350e9, 80e9),
    # NVIDIA H200 SXM data sheet (2024).
    "h200": Device("H200", 989e12, 67e12, 4800e9, 141e9),
    # NVIDIA L40S data sheet (2023).
    "l40s": Device("L40S", 362e12, 91.6e12, 864e9, 48e9),
    # NVIDIA Ada GPU architecture white paper, appendix A (2023); bf16 with fp32 accumulation.
    "rtx4090": Device("RTX 4090", 165.2e12, 82.6e12, 1008e9, 24e9),
    # One core with AVX2 at 3 GHz: 2 units x 8 lanes x 2 operations; a share of two channels.
    "cpu": Device("CPU core", 96e9, 96e9, 10e9, None, "core-hours"),
}


@dataclass(frozen=True)
class Assumed:
    """What no data sheet says. Three such sets give every figure its range."""

    train_use: float
    """Share of the bf16 peak that training reaches."""
    score_use: float
    """Share of the fp32 peak that reading prompts reaches."""
    memory_use: float
    """Share of the memory bandwidth that reading weights reaches."""
    launch: float
    """Seconds that a layer's forward pass takes at least, however small its work."""
    padding: float
    """Tokens computed per token of a training batch: rows are padded to the longest."""
    start: float
    """Seconds until a job has its libraries imported and its device ready."""
    read: float
    """Bytes per second from disk to device."""
    write: float
    """Bytes per second to disk."""
    item: float
    """Seconds of an item beside the model: its prompt to tokens, its record to disk."""


# Training: published fine-tuning runs of about a billion weights reach a fifth to a half of an
# A100's bf16 peak (PaLM's appendix B reports 0.2 to 0.46 for far larger runs). Scoring: fp32
# products reach most of the small fp32 peak. Launch: eager transformers on a GPU take 0.4 to
# 1 ms per layer, whatever the batch. Padding: batches of 8 in random order. Start: imports took
# 2 to 8 s on a busy core; a CUDA context and a cold network file system add to it. Item: short
# prompts of a fast tokenizer take less than a millisecond.
#: Cheap, likely and dear.
CASES = (
    Assumed(0.50, 0.80, 0.80, 0.3e-3, 1.15, 5, 3e9, 2e9, 0.5e-3),
    Assumed(0.35, 0.60, 0.60, 0.6e-3, 1.35, 12, 1e9, 1e9, 1e-3),
    Assumed(0.20, 0.40, 0.40, 1.2e-3, 1.70, 45, 0.3e9, 0.5e9, 3e-3),
)


@dataclass(frozen=True)
class Range:
    """A figure under the cheap, the likely and the dear assumptions."""

    low: float = 0.0
    mid: float = 0.0
    high: float = 0.0

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __truediv__(self, number: float) -> "Range":
        return Range(self.low / number, self.mid / number, self.high / number)
