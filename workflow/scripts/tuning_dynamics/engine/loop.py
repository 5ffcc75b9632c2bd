"""The training loop of pre-training and tuning: deterministic, and resumable at any step.

Everything random in a step comes from (seed, step), so that a state needs no generator, and a
run that was killed and resumed ends bit for bit as one that was not.
"""

import math
import signal
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any

import torch

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.execution import SAVING_SHARE
from tuning_dynamics.engine.flops import Read, pairs_in, training_flops
from tuning_dynamics.engine.hardware import device_name, peak_memory_mb, utilisation
from tuning_dynamics.engine.padding_free import IGNORED, packed, summed_loss
from tuning_dynamics.engine.processes import ENDING, IDLE, SINGLE, Ranks

#: Steps whose losses may wait on the device. Reading one makes the host wait for the device.
LOSSES_WAITING = 50

#: The keys of a state (see `Training.state`).
PARTS = {"weights", "optimiser", "progress"}

#: Errors on reading a damaged state: a bad archive, or torch's errors.
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, UnpicklingError),
    *(RuntimeError, ValueError, LookupError, TypeError, AttributeError),
)

#: Adds the gradient of a penalty to the weights, and returns the penalty.
Pull = Callable[[], torch.Tensor]

#: Makes a run's pull from its ranks and its initial trainable parameters.
Penalty = Callable[[Ranks, Sequence[torch.Tensor]], Pull]


@dataclass(frozen=True)
class Batch:
    """One optimiser step's examples: token ids and targets, a list of each per example.

    `targets[i][t]` is the token that position t must predict next, or IGNORED.
    """

    ids: list[list[int]]
    targets: list[list[int]]


@dataclass(frozen=True)
class Schedule:
    """Learning rate by step: linear warm-up, then linear, cosine or constant.

    `steps` is the whole run's length, `warmup` a share of it.
    """

    peak: float
    steps: int
    warmup: float
    shape: str

    def rate(self, step: int) -> float:
        """Rate of the 0-based step `step`."""
        rise = math.ceil(self.steps * self.warmup)
        if step < rise:
            return self.peak * (step + 1) / rise
        done = (step - rise) / max(1, self.steps - rise)
        if self.shape == "linear":
            return self.peak * (1 - done)
        if self.shape == "cosine":
            return self.peak * 0.5 * (1 + math.cos(math.pi * done))
        return self.peak


@dataclass(frozen=True)
class Settings:
    """How to optimise; `penalty` is a loss on the weights, added to that of the examples."""

    schedule: Schedule
    weight_decay: float
    clip_norm: float
    betas: tuple[float, float]
    seed: int
    micro_batch: int
    save_seconds: float
    penalty: Penalty | None = None


@dataclass
class Progress:
    """Progress of a run; its metrics are made from this.

    `pairs` are pairs of tokens of which one attends to the other.
    """

    step: int = 0
    tokens: int = 0
    target_tokens: int = 0
    pairs: int = 0
    seconds: float = 0.0
    resumed_from: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class Interrupted(SystemExit):
    """Raised after a state was saved because the job received a signal to end."""


class Training:
    """A run over steps [first, last) of a model's trainable parameters.

    `what` names it in logs and errors, `file` is the config that sets its learning rate. The
    model is ready for `ranks`, the processes that share it.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        settings: Settings,
        device: torch.device,
        *,
        what: str,
        file: str,
        ranks: Ranks = SINGLE,
    ) -> None:
        self.model, self.settings, self.device = model, settings, device
        self.what, self.file, self.ranks = what, file, ranks
        self.waiting: list[torch.Tensor] = []
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.pull = settings.penalty(ranks, self.parameters) if settings.penalty else None
        # Decay is for matrices; gains and biases keep their scale (as in GPT-2's training).
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.parameters if p.ndim >= 2]},
            {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=settings.schedule.peak,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.progress = Progress()

    def state(self) -> dict[str, Any]:
        """Trainable weights, optimiser and progress: all that the rest of the run depends on.

        Whole in the process where `ranks` lead, however the model is sharded."""
        self._read_losses()
        named = {n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad}
        return {
            "weights": self.ranks.gathered(named),
            "optimiser": self.ranks.gathered(self.optimiser.state_dict()),
            "progress": asdict(self.progress),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state`."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    self.ranks.put(state["weights"][name], parameter)
        self.ranks.load(self.optimiser, state["optimiser"])
        self.progress = Progress(**state["progress"])

    def run(self, batch_of: Callable[[int], Batch], last: int, scratch: "Scratch | None") -> None:
        """Train up to step `last` (exclusive); `batch_of(step)` gives each step's examples.

        Saves to `scratch` every `save_seconds` (see SAVING_SHARE), and on a signal to end (see
        ENDING), then raises Interrupted. StudyError if the loss is not finite.
        """
        self.model.train()
        started = time.monotonic()
        before = self.progress.seconds
        saving = _Saving(scratch if self.ranks.leads else None, self.settings.save_seconds)
        with _Signals() as signals, packed(self.model) as flat:
            while self.progress.step < last:
                self._step(batch_of(self.progress.step), flat=flat)
                if self._reports(last) or len(self.waiting) == LOSSES_WAITING:
                    self._read_losses()
                self.progress.seconds = before + time.monotonic() - started
                if self._reports(last):
                    self._report(last)
                ending, due = self.ranks.largest(signals.received, saving.due())
                if ending or due:
                    saving.save(self.state())
                if ending:
                    self.ranks.wait()
                    raise Interrupted(128 + int(ending))

    def _step(self, batch: Batch, *, flat: bool) -> None:
        progress, settings, ranks = self.progress, self.settings, self.ranks
        # Dropout in a step depends on the seed and the step alone.
        torch.manual_seed(settings.seed * 1_000_003 + progress.step)
        rate = settings.schedule.rate(progress.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        counted = sum(target != IGNORED for row in batch.targets for target in row)
        loss = torch.zeros((), device=self.device)
        # Texts that are not packed are read one at a time anyway.
        micro_batch = settings.micro_batch if flat else 1
        for rows in ranks.passes([len(row) for row in batch.ids], micro_batch):
            ids, targets = [batch.ids[row] for row in rows], [batch.targets[row] for row in rows]
            loss += self._backward(ids, targets, counted, flat=flat)
        if self.pull is not None:
            loss += self.pull()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, settings.clip_norm)
        self.waiting.append(torch.stack([loss, ranks.whole(norm)]))
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        progress.step += 1
        progress.tokens += sum(map(len, batch.ids))
        progress.target_tokens += counted
        progress.pairs += sum(pairs_in(len(row)) for row in batch.ids)

    def _backward(
        self, ids: list[list[int]], targets: list[list[int]], counted: float, *, flat: bool
    ) -> torch.Tensor:
        """Add the gradient of a micro-batch's share of the mean loss; return that share."""
        if all(target == IGNORED for row in targets for target in row):
            if self.ranks.count == 1:
                return torch.zeros((), device=self.device)
            (ids, targets), counted = IDLE, math.inf
        share = summed_loss(self.model, ids, targets, self.device, flat=flat) / counted
        share.backward()
        return share.detach()

    def _read_losses(self) -> None:
        """Fetch the losses of the last steps; StudyError for one that is not finite."""
        if not self.waiting:
            return
        first = self.progress.step - len(self.waiting)
        read = torch.stack(self.waiting, dim=1)
        self.waiting = []
        losses, norms = self.ranks.summed(read[0]).tolist(), read[1].tolist()
        for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), start=first):
            if not math.isfinite(loss) or not math.isfinite(norm):
                raise StudyError(
                    f"{self.what}: the loss or its gradient is not finite at step {step}",
                    file=self.file,
                    key="lr",
                    value={"loss": loss, "lr": self.settings.schedule.rate(step)},
                    fix="lower the learning rate, or check the checkpoint's weights and the data",
                )
            self.progress.losses.append(loss)

    def _reports(self, last: int) -> bool:
        """Whether a progress line is due: twenty times per run."""
        return self.progress.step == last or self.progress.step % max(1, last // 20) == 0

    def _report(self, last: int) -> None:
        progress = self.progress
        speed = progress.tokens / max(progress.seconds, 1e-9)
        print(
            f"{self.what}: step {progress.step} of {last}, loss {progress.losses[-1]:.4f}, "
            f"{speed:,.0f} tokens/s",
            flush=True,
        )

    def metrics(self, stage: str, job: str) -> dict[str, Any]:
        """The run's row of cost.csv, and its loss curve."""
        progress = self.progress
        speed = progress.tokens / progress.seconds if progress.seconds else None
        return {
            "stage": stage,
            "job": job,
            "planned_seconds": None,
            "seconds": progress.seconds,
            "gpu": device_name(self.device),
            "devices": self.ranks.count,
            "peak_memory_mb": self.ranks.largest(peak_memory_mb(self.device))[0],
            "tokens": progress.tokens,
            "target_tokens": progress.target_tokens,
            "tokens_per_second": speed,
            "mfu": self._utilisation(),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "trainable": sum(p.numel() for p in self.parameters),
            "steps": progress.step,
            "resumed_from": progress.resumed_from,
            "losses": progress.losses,
        }

    def _utilisation(self) -> float | None:
        """Model FLOPs utilisation of the run, None if it is unknown."""
        progress = self.progress
        read = Read(progress.tokens, progress.target_tokens, progress.pairs)
        flops = training_flops(self.model, read)
        if flops is None or not progress.seconds:
            return None
        return utilisation(self.device, flops / self.ranks.count, progress.seconds)


class _Signals:
    """In the block, signals of ENDING are noted instead of ending the process."""

    def __enter__(self) -> "_Signals":
        self.received = 0
        self.previous = {s: signal.signal(s, self._note) for s in ENDING}
        return self

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = number

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)


def scratch(output: str | Path) -> Path:
    """The folder where the training job that makes `output` keeps its resumable state.

    Outside all declared outputs, which Snakemake deletes when a job fails, and keyed by the
    job's own folder: results/STUDY/X/manifest.json -> results/STUDY/scratch/X.
    """
    folder = Path(output).parent
    return Path(*folder.parts[:2], "scratch", *folder.parts[2:])


class Scratch:
    """The resumable state of one training run, outside the job's declared outputs.

    `identity` is everything that the run's numbers depend on; a state of another identity is not
    used.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.path, self.identity = folder / "state.pt", identity

    def save(self, state: dict[str, Any]) -> None:
        """Write the state atomically."""
        with whole_file(self.path) as temporary:
            save({"identity": self.identity, **state}, temporary)

    def load(self, device: torch.device, *, mapped: bool = False) -> dict[str, Any] | None:
        """The saved state, None if there is none of this identity or it is damaged; with
        `mapped`, its tensors stay in the file until they are used."""
        if not self.path.is_file():
            return None
        try:
            state = saved_state(self.path, device, mapped=mapped)
        except StudyError as error:
            print(f"{error.what}: it is not used ({self.path})", flush=True)
            return None
        return state if state.pop("identity", None) == self.identity else None

    def remove(self) -> None:
        """Delete the state, once the run's outputs are written."""
        self.path.unlink(missing_ok=True)


class _Saving:
    """Decides when a run's state is saved, so that saving stays a small share of the run."""

    def __init__(self, scratch: Scratch | None, seconds: float) -> None:
        self.scratch, self.pause = scratch, seconds
        self.last = time.monotonic()

    def due(self) -> bool:
        return self.scratch is not None and time.monotonic() - self.last > self.pause

    def save(self, state: dict[str, Any]) -> None:
        if self.scratch is None:
            return
        began = time.monotonic()
        self.scratch.save(state)
        self.last = time.monotonic()
        self.pause = max(self.pause, SAVING_SHARE * (self.last - began))


def save(state: dict[str, Any], path: Path) -> None:
    """Write a state with torch.

    Through a Python stream: torch's own hides why a file cannot be written, such as a full disk.
    """
    with path.open("wb") as stream:
        torch.save(state, stream)


def saved_state(path: Path, device: torch.device, *, mapped: bool = False) -> dict[str, Any]:
    """The state that `save` wrote, after verifying its checksums; see `Scratch.load`.

    StudyError if the file is damaged, or is something else.
    """
    try:
        # The file is a zip archive with a CRC-32 of each part, which torch does not check.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} is not what was written")
        # Our own file, but still weights-only: nothing in it needs code.
        state = torch.load(path, map_location=device, weights_only=True, mmap=mapped)
        if not isinstance(state, dict) or not state.keys() >= PARTS:
            raise zipfile.BadZipFile("it holds something else")
    except torch.OutOfMemoryError:
        raise  # the device's fault, not the file's
    except _UNREADABLE as error:
        raise StudyError(
            f"a saved state is damaged ({' '.join(str(error).split())})",
            file=path,
            fix="delete it and run the same command again",
        ) from None
    return state


def resume(training: Training, scratch: Scratch) -> None:
    """Continue a training run from its saved state, if there is one."""
    shared = training.ranks.count > 1
    state = scratch.load(torch.device("cpu") if shared else training.device, mapped=shared)
    # All processes or none: on a failing disk only some may have read it.
    missing = training.ranks.largest(state is None)[0]
    if state is not None and not missing:
        training.restore(state)
        training.progress.resumed_from.append(training.progress.step)
        print(f"{training.what}: resumed from step {training.progress.step}", flush=True)
