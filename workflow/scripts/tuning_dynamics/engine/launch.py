"""Starts a training run in this process, or in several that share its model."""

from collections.abc import Callable
from typing import Any

from tuning_dynamics.config.execution import Execution
from tuning_dynamics.engine.hardware import prepare_device
from tuning_dynamics.engine.processes import SINGLE


def on_ranks(execution: Execution, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(ranks, device, *arguments)` in this process, or in each of several that share a
    model, as `execution.gpus_per_model` says. Errors are those of `work`."""
    if execution.gpus_per_model == 1:
        work(SINGLE, prepare_device(execution.device), *arguments)
        return
    # Not at the top: it imports modules that a single process does not need.
    from tuning_dynamics.engine.fsdp import in_each

    in_each(execution, work, arguments)
