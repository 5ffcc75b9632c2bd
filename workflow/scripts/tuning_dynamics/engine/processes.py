"""The processes that share one model's training: usually one, which holds all of it.

The loop asks here for what differs between one process and several; `fsdp.py` has the several.
"""

import signal
from collections.abc import Iterator
from typing import Any, Protocol

import torch

#: Signals on which a run saves its state and ends. SIGURG is how profiles/slurm has SLURM warn of
#: a time limit: all other processes of a job ignore it, while shells between them die of SIGUSR1.
ENDING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGURG)

#: Token ids and targets of a pass in which a process has nothing to count, but the others need it:
#: one token, whose loss is then given no weight.
IDLE = ([[0]], [[0]])


class Ranks(Protocol):
    """What one process of a training knows of all of them, and does with them.

    All processes must call the same methods in the same order.
    """

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes."""

    def first_on(self, device: torch.device) -> torch.device:
        """Where a whole model is put, of which `device` will hold this process's share."""

    def ready(self, model: Any) -> Any:
        """The model, each process holding its share of the weights; once or again."""

    def passes(self, lengths: list[int], micro_batch: int) -> Iterator[list[int]]:
        """The rows of each forward pass of this process, of rows of these lengths.

        Equally many in all processes: rows may be none.
        """

    def held(self, tensor: torch.Tensor) -> torch.Tensor:
        """What this process holds of a tensor; can be differentiated."""

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """All of a tensor of which this process holds a part."""

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over the processes of each value."""

    def largest(self, *values: float) -> list[float]:
        """The largest of each value over the processes."""

    def gathered(self, state: Any) -> Any:
        """Nested dicts and lists with all of each tensor in it; empty where it does not lead."""

    def weights(self, model: Any) -> dict[str, torch.Tensor]:
        """All of a model's weights, for its `save_pretrained`."""

    def put(self, value: torch.Tensor, into: torch.Tensor) -> None:
        """Copy a whole tensor into one of which this process holds a part."""

    def load(self, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Have an optimiser continue from a gathered state."""

    def wait(self) -> None:
        """Until all processes are here."""


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
