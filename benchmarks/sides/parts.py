"""A measurement in parts: each result is kept at once, and a part that fails stops no other."""

import gc
import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.engine.hardware import peak_memory_mb

#: What one part measured.
Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """What is measured, the seconds that it may take, how, and bars of its figures."""

    part: str
    what: str
    estimate: float
    measure: Callable[[Any], Row]
    bars: dict[str, float] = field(default_factory=dict)


def run_parts(parts: Sequence[Part], run: Any, began: float, seconds: float, out: Path) -> int:
    """Measure in order, given `run`, what fits into the seconds since `began`; print each result
    and append it to a file of JSON lines. Returns how many parts failed."""
    failed = 0
    gc.freeze()  # What is there now stays, and need not be looked through again.
    for part in parts:
        left = seconds - (time.monotonic() - began)
        found = _measured(part, run) if left >= part.estimate else _left_out(part, left)
        failed += "error" in found
        row = {"part": part.part, "what": part.what, "at_s": time.monotonic() - began, **found}
        with out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**row, "bars": part.bars}, ensure_ascii=False) + "\n")
        print(f"{row['at_s']:6.1f} s  {part.part}, {part.what}: {_line(found, part)}", flush=True)
    return failed


def _measured(part: Part, run: Any) -> Row:
    """What a part measured with its largest memory, or why it failed."""
    # What an earlier part left behind counts as free.
    gc.collect()
    try:
        if run.device.type == "cuda":
            torch.cuda.init()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        return {**part.measure(run), "peak_gb": peak_memory_mb(run.device) / 1e3}
    except Exception as error:
        frames = [" ".join(one.split()) for one in traceback.format_tb(error.__traceback__)]
        return {"error": f"{type(error).__name__}: {error}", "frames": frames[-4:]}


def _left_out(part: Part, left: float) -> Row:
    return {"left_out": f"it may take {part.estimate:g} s, {max(left, 0):.0f} s are left"}


def _line(found: Row, part: Part) -> str:
    """A result in a line, with the bars of its figures."""
    texts = {k: f"{v:.4g}" if isinstance(v, float) else f"{v}" for k, v in found.items()}
    bars = {name: f" (bar {bar:g})" for name, bar in part.bars.items()}
    values = ", ".join(f"{name} {text}{bars.get(name, '')}" for name, text in texts.items())
    return " ".join(values.split())
