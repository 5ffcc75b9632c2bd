"""Evaluate one variant: its model is loaded once, and only if a cell is due."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.engine.hardware import device_name, peak_memory_mb, prepare_device
from tuning_dynamics.evaluate.cell import evaluate_cell, write_refused
from tuning_dynamics.evaluate.model import LoadedModel, load_for_evaluation
from tuning_dynamics.evaluate.request import CellRequest, parse_request

#: A cell's request, and the function that records that it is made.
Due = tuple[CellRequest, Callable[[], None]]


def evaluate_variant(
    variant: str, due: list[Due], *, manifest: Path, metrics: Path, execution: Execution
) -> None:
    """Make the cells of `due` in order; `metrics` has the cost of evaluating the variant so far.

    If a cell's input is refused for its content, the reason is written in the cell's place
    (`write_refused`): the same input would be refused again. StudyError if `manifest` is another
    variant's, or if its weights cannot be loaded.
    """
    described = read_json(manifest)
    _require_own(variant, described, manifest)
    cost = _Cost(metrics, variant, time.monotonic())
    if "refused" in described:
        for request, made in due:
            write_refused(request, described["refused"])
            made()
    if "refused" in described or not due:
        cost.write(None, len(due))
        return
    model = _load(manifest, due[0][0].dtype, execution, cost)
    for number, (request, made) in enumerate(due, start=1):
        _make(model, request, execution.batch_tokens)
        made()
        cost.write(model, number)


def due_cells(job: Any) -> list[Due]:
    """The cells that a running job (`identity.job.Job`) has to make, as requests."""
    entries = json.loads(job.view.params["cells"])
    data = dict(zip(job.view.outputs, entries, strict=False))
    return [
        (_request(unit.name, data[unit.name]), partial(job.made, unit))
        for unit in job.due
        if unit.name in data
    ]


def _request(out: str, entry: Mapping[str, str]) -> CellRequest:
    files = {"items": entry["items"], "demonstrations": entry["demonstrations"], "out": out}
    return parse_request({**json.loads(entry["spec"]), **files})


def _require_own(variant: str, described: Mapping[str, Any], manifest: Path) -> None:
    """StudyError if a manifest is another variant's, copied here."""
    own = described.get("variant", f"{described['family']}/{described['step']}/base")
    if own != variant:
        raise StudyError(
            "the weights are another variant's",
            file=manifest,
            key="variant",
            value={"asked for": variant, "found": own},
            fix=f"make them again: snakemake --force {manifest}",
        )


def _load(manifest: Path, dtype: Any, execution: Execution, cost: "_Cost") -> LoadedModel:
    model = load_for_evaluation(manifest, prepare_device(execution.device), dtype)
    cost.load_seconds = time.monotonic() - cost.began
    print(f"{cost.variant}: loaded in {cost.load_seconds:.1f} s", flush=True)
    return model


def _make(model: LoadedModel, request: CellRequest, batch_tokens: int | None) -> None:
    began = time.monotonic()
    try:
        items = evaluate_cell(model, request, batch_tokens)
    except UnavailableError:
        raise
    except StudyError as error:
        print(f"{request.out}: refused\n{error}", flush=True)
        write_refused(request, str(error))
        return
    print(f"{request.out}: {items} items in {time.monotonic() - began:.2f} s", flush=True)


@dataclass
class _Cost:
    """A variant's row of cost.csv: the cost of its evaluation, in this run and earlier ones.

    Written after every cell, so that a killed job leaves its part.
    """

    path: Path
    variant: str
    began: float
    load_seconds: float = 0.0
    before: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.before = read_json(self.path) if self.path.is_file() else {}
        except StudyError as error:
            print(f"{error}\nThe cost of earlier runs is lost.", flush=True)
            self.before = {}

    def write(self, model: LoadedModel | None, cells: int) -> None:
        """Write the row after this many cells of this run."""
        seconds = time.monotonic() - self.began + self._earlier("seconds")
        load_seconds = self.load_seconds + self._earlier("load_seconds")
        tokens = (model.tokens if model else 0) + int(self._earlier("tokens"))
        memory = peak_memory_mb(model.device) if model else 0.0
        row = {
            "stage": "evaluate",
            "job": self.variant,
            "planned_seconds": None,
            "seconds": seconds,
            "load_seconds": load_seconds,
            "loads": int(self._earlier("loads")) + (model is not None),
            "cells": int(self._earlier("cells")) + cells,
            "gpu": device_name(model.device) if model else self.before.get("gpu", ""),
            "peak_memory_mb": max(memory, self._earlier("peak_memory_mb")),
            "tokens": tokens,
            "tokens_per_second": tokens / max(seconds - load_seconds, 1e-9),
            "mfu": None,
        }
        write_json(self.path, row)

    def _earlier(self, name: str) -> float:
        """A sum over earlier runs; 0 if this is the first."""
        return float(self.before.get(name, 0))
