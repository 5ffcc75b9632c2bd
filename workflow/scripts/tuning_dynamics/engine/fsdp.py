"""Several processes of one node that train one model, each on its own GPU (or on a CPU).

Each process holds a shard of every weight, gradient and moment, with PyTorch's `fully_shard`
(FSDP2; Zhao et al. 2023, arXiv 2304.11277): a layer's weights are gathered for its forward and
backward passes and freed afterwards. The rows of a minibatch are divided among the processes, and
their gradients add up to the minibatch's, so that results equal one process's up to rounding.
States are gathered when they are saved, so any number of processes can continue from one.
"""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import active_children, get_context
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.job_log import end_with
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.engine.hardware import prepare_device
from tuning_dynamics.engine.processes import ENDING

#: How processes start: each as a new interpreter, since CUDA does not work in a fork of a process
#: that has looked for GPUs.
START = "spawn"

#: Keys in configs of transformers' models for dropout that is not a module.
ATTENTION_DROPOUT = ("attention_dropout", "attn_dropout", "attn_pdrop")

#: The longest that processes wait for one another, for example while the first writes a state of
#: hundreds of gigabytes. If one fails, all end at once regardless.
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Sharded:
    """One of several processes: see `Ranks`."""

    rank: int
    mesh: DeviceMesh

    @property
    def count(self) -> int:
        return self.mesh.size()

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def first_on(self, _device: torch.device) -> torch.device:
        return torch.device("cpu")

    def ready(self, model: Any) -> Any:
        if isinstance(model, FSDPModule):
            return model
        _refuse_dropout(model)
        shared = [*_layers(model), model]
        for module in shared:
            fully_shard(module, mesh=self.mesh)
        for module in shared:
            # Sums, not means: the loss is already a share of the whole minibatch's mean.
            module.set_gradient_divide_factor(1.0)
            # By sums alone, the only reduction that gloo has; the factor of 1 costs almost nothing.
            module.set_force_sum_reduction_for_comms(True)
        return model

    def passes(self, lengths: list[int], micro_batch: int) -> Iterator[list[int]]:
        # Dealt by length, back and forth, so that no process waits long for another.
        order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
        turns = [order[turn : turn + self.count] for turn in range(0, len(order), self.count)]
        hands = [turn if number % 2 == 0 else turn[::-1] for number, turn in enumerate(turns)]
        own = [hand[self.rank] for hand in hands if self.rank < len(hand)]
        for start in range(0, len(turns), micro_batch):
            yield own[start : start + micro_batch]

    def held(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        found = tensor.clone()
        dist.all_reduce(found)
        return found

    def largest(self, *values: float) -> list[float]:
        # On the host, so that it waits for the other processes, but not for their GPUs.
        found = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return found.tolist()

    def gathered(self, state: Any) -> Any:
        if isinstance(state, dict):
            return {name: self.gathered(value) for name, value in state.items()}
        if isinstance(state, list):
            return [self.gathered(value) for value in state]
        if not isinstance(state, torch.Tensor):
            return state
        whole = self.whole(state)
        # One at a time: a GPU has no memory for more, nor the host for one of each process.
        return whole.cpu() if self.leads else None

    def weights(self, model: Any) -> dict[str, torch.Tensor]:
        tied = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        tied -= {name for name, _ in model.named_parameters()}
        state = {name: value for name, value in model.state_dict().items() if name not in tied}
        found: dict[str, torch.Tensor] = self.gathered(state)
        return found

    def put(self, value: torch.Tensor, into: torch.Tensor) -> None:
        into.copy_(self._part(value, into))

    def load(self, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        parts = {
            number: {name: self._part(value, parameters[number]) for name, value in own.items()}
            for number, own in state["state"].items()
        }
        optimiser.load_state_dict({**state, "state": parts})

    def _part(self, value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """This process's shard of a whole tensor, split like another; a counter stays whole."""
        if not isinstance(like, DTensor) or value.shape != like.shape:
            return value
        # Without a source rank nothing is sent: each takes its part of what all have.
        return distribute_tensor(value, self.mesh, like.placements, src_data_rank=None)

    def wait(self) -> None:
        self.largest(0)


def _layers(model: torch.nn.Module) -> list[Any]:
    """The model's layers: the outermost list of modules in it."""
    lists = (part for part in model.modules() if isinstance(part, torch.nn.ModuleList))
    found = next(lists, None)
    if found is None:
        raise StudyError(
            "the model has no list of layers that GPUs could share",
            key="execution.gpus_per_model",
            value=type(model).__name__,
            fix="set it to 1",
        )
    return list(found)


def _refuse_dropout(model: torch.nn.Module) -> None:
    """StudyError for a model with dropout: several processes would draw other numbers than one."""
    shares = [part.p for part in model.modules() if isinstance(part, torch.nn.Dropout)]
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            config = part.config.to_dict()
            shares += [config.get(name) or 0.0 for name in ATTENTION_DROPOUT]
    if any(shares):
        raise StudyError(
            "a model with dropout would not give the numbers of one GPU on several",
            key="execution.gpus_per_model",
            value={"dropout": max(shares)},
            fix="set it to 1, or the recipe's lora.dropout (or the model's own) to 0",
        )


def in_each(execution: Execution, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Call `work(ranks, device, *arguments)` in each of `execution.gpus_per_model` processes.

    Signals on which training saves and ends are forwarded to all of them. The first error of any
    ends all and is raised here, as is a StudyError if one is killed. `work` must be importable.
    """
    count = execution.gpus_per_model
    pool = ProcessPoolExecutor(count, mp_context=get_context(START))
    with tempfile.TemporaryDirectory() as folder, _Passing() as passing:
        common = (count, Path(folder) / "meeting", execution.device, work, arguments)
        futures = [pool.submit(_rank, rank, *common) for rank in range(count)]
        started = active_children()
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            killed = any(process.exitcode for process in started)
            # The others would wait long for the one that failed.
            for process in started:
                process.kill()
            if killed and passing.received:
                raise SystemExit(128 + passing.received) from None
            if killed:
                raise _killed(count) from None
            raise
        finally:
            pool.shutdown()


def _rank(
    rank: int,
    count: int,
    meeting: Path,
    choice: Any,
    work: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """The work of one process; only the first one prints."""
    starter = os.getppid()
    threading.Thread(target=end_with, args=(starter,), daemon=True).start()
    device = _device(choice, rank, count)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=count,
        timeout=PATIENCE,
    )
    ranks = Sharded(rank, init_device_mesh(device.type, (count,)))
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere if rank else sys.stdout),
        ):
            work(ranks, device, *arguments)
    finally:
        if os.getppid() != starter:
            os._exit(1)  # the pool's process would wait forever for its next task
    # Not after an error: while work is in progress it may wait for the others.
    dist.destroy_process_group()


def _device(choice: Any, rank: int, count: int) -> torch.device:
    """The GPU of a process, or the CPU."""
    device = prepare_device(choice)
    if device.type == "cpu":
        return device
    if torch.cuda.device_count() < count:
        raise StudyError(
            f"{torch.cuda.device_count()} GPUs are visible to this job",
            key="execution.gpus_per_model",
            value=count,
            fix="run it on a node with that many GPUs, or set it lower",
        )
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


def _killed(count: int) -> StudyError:
    return StudyError(
        f"one of the {count} processes that share a model was killed",
        key="execution.gpus_per_model",
        value=count,
        fix="see above in this log; if there is no message, the host's memory was too small",
    )


class _Passing:
    """In the block, signals of ENDING are forwarded to the processes that this one started."""

    def __enter__(self) -> "_Passing":
        self.received = 0
        self.previous = {number: signal.signal(number, self._pass) for number in ENDING}
        return self

    def _pass(self, number: int, _frame: FrameType | None) -> None:
        self.received = number
        for process in active_children():
            if process.pid is not None:
                os.kill(process.pid, number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
