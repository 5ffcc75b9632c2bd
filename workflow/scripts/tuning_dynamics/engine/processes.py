"""The processes that share one model's training: usually one, which holds all of it.

This is the interface for all that differs between one process and several (`fsdp.py`).
"""

import signal
from collections.abc import Iterator
from typing import Any, Protocol

import torch

#: Signals on which a run saves its state and ends. With profiles/slurm, SLURM warns of a time limit
#: with SIGURG: all other processes of a job ignore it, while shells between them die of SIGUSR1.
ENDING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGURG)

#: Token ids and targets of a pass in which a process has nothing to count but the others need it:
#: one token, whose loss gets no weight.
IDLE = ([[0]], [[0]])


class Ranks(Protocol):
    """One process's view of all processes of a training run, and its collective operations.

    All processes must call the same methods in the same order.
    """

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files."""

    def first_on(self, device: torch.device) -> torch.device:
        """Where to put a whole model before `device` gets this process's shard."""

    def ready(self, model: Any) -> Any:
        """The model, with this process's shard of the weights; may be called again."""

    def passes(self, lengths: list[int], micro_batch: int) -> Iterator[list[int]]:
        """The rows of each forward pass of this process, from rows of these lengths.

        All processes get equally many passes: one may have no rows.
        """

    def held(self, tensor: torch.Tensor) -> torch.Tensor:
        """This process's shard of a tensor; can be differentiated."""

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """The whole tensor of which this process holds a shard."""

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over the processes of each value."""

    def largest(self, *values: float) -> list[float]:
        """The largest of each value over the processes."""

    def gathered(self, state: Any) -> Any:
        """Nested dicts and lists with whole tensors; empty if this process does not lead."""

    def weights(self, model: Any) -> dict[str, torch.Tensor]:
        """All of a model's weights, for its `save_pretrained`."""

    def put(self, value: torch.Tensor, into: torch.Tensor) -> None:
        """Copy a whole tensor into a sharded one."""

    def load(self, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Load a gathered state into an optimiser."""

    def wait(self) -> None:
        """Wait until all processes are here."""


class SingleProcess:
    """One process, which holds everything."""

    count, leads = 1, True

    def first_on(self, device: torch.device) -> torch.device:
        return device

    def ready(self, model: Any) -> Any:
        return model

    def passes(self, lengths: list[int], micro_batch: int) -> Iterator[list[int]]:
        for start in range(0, len(lengths), micro_batch):
            yield list(range(start, min(start + micro_batch, len(lengths))))

    def held(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def largest(self, *values: float) -> list[float]:
        return list(values)

    def gathered(self, state: Any) -> Any:
        return state

    def weights(self, model: Any) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = model.state_dict()
        return found

    def put(self, value: torch.Tensor, into: torch.Tensor) -> None:
        into.copy_(value)

    def load(self, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        optimiser.load_state_dict(state)

    def wait(self) -> None:
        return None


SINGLE = SingleProcess()
