"""Tuning on the same rows in the same minibatches, by the engine and by the trainers around."""

import contextlib
import copy
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from sides.machine import Rates, Taken, compared, interleaved, timed
from sides.setting import Setting
from sides.work import shape_of, tuning
from tuning_dynamics.data.encode import Encoder
from tuning_dynamics.engine.loop import Batch, Schedule, Settings, Training
from tuning_dynamics.tune.examples import Example
from tuning_dynamics.tune.order import EpochBatches

BATCH, RATE, SEED = 8, 1e-4, 0
OURS = "this engine"


@dataclass(frozen=True)
class Task:
    """Steps of tuning: the model to start from, and each step's minibatch."""

    model: Any
    encoder: Encoder
    device: torch.device
    batches: list[Batch]

    @property
    def rows(self) -> list[tuple[int, int]]:
        """(tokens, targets) of each example."""
        pairs = [zip(batch.ids, batch.targets, strict=True) for batch in self.batches]
        return [(len(ids), sum(t >= 0 for t in wanted)) for rows in pairs for ids, wanted in rows]


def task_of(setting: Setting, examples: Sequence[Example], steps: int) -> Task:
    """The first steps of an epoch over examples, in the order that a study takes."""
    epochs = EpochBatches(examples, BATCH, SEED)
    batches = [epochs.batch(step) for step in range(steps)]
    return Task(setting.model, setting.encoder, setting.device, batches)


#: A way to tune: (task, losses wanted) -> (what it took, each step's loss or none).
Way = Callable[[Task, bool], tuple[Taken, list[float]]]


def by_engine(task: Task, _losses: bool = False) -> tuple[Taken, list[float]]:
    """By `engine.loop`, with deterministic algorithms as in a job."""
    training = _training(task, RATE)
    torch.use_deterministic_algorithms(True)
    _, taken = timed(task.device, lambda: _run(training, task))
    torch.use_deterministic_algorithms(False)
    return taken, list(training.progress.losses)


def trained(task: Task, rate: float) -> Any:
    """The model as `engine.loop` leaves it, in eval mode."""
    training = _training(task, rate)
    _run(training, task)
    return training.model.eval()


def _training(task: Task, rate: float) -> Training:
    settings = Settings(
        schedule=Schedule(rate, len(task.batches), 0.0, "linear"),
        weight_decay=0.0,
        clip_norm=1.0,
        betas=(0.9, 0.999),
        seed=SEED,
        micro_batch=BATCH,
        save_seconds=1e9,
    )
    model = copy.deepcopy(task.model)
    return Training(model, settings, task.device, what="benchmark", file="benchmarks")


def _run(training: Training, task: Task) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        training.run(task.batches.__getitem__, len(task.batches), None)


def _whole(task: Task) -> list[dict[str, list[int]]]:
    """The examples as Hugging Face's trainers take them: labels are not shifted."""
    found = []
    for batch in task.batches:
        for ids, targets in zip(batch.ids, batch.targets, strict=True):
            found.append({"input_ids": [*ids, targets[-1]], "labels": [-100, *targets]})
    return found


#: What all trainers share: the optimiser and schedule of `by_engine`, minibatches in order.
_SAME: dict[str, Any] = {
    "per_device_train_batch_size": BATCH,
    "num_train_epochs": 1,
    "learning_rate": RATE,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "lr_scheduler_type": "linear",
    "optim": "adamw_torch_fused",
    "train_sampling_strategy": "sequential",
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "seed": SEED,
}


def _train(task: Task, make: Callable[[Any, str], Any], losses: bool) -> tuple[Taken, list[float]]:
    """What a trainer's `train` takes, its own set-up left out."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        trainer = make(copy.deepcopy(task.model), folder)
        _, taken = timed(task.device, trainer.train)
    found = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    if trainer.state.global_step != len(task.batches):
        raise AssertionError(f"{trainer.state.global_step} steps, {len(task.batches)} were asked")
    return taken, found if losses else []


def by_trl(task: Task, losses: bool = False, **changes: Any) -> tuple[Taken, list[float]]:
    """By TRL's SFTTrainer; `changes` are of its settings."""
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    def make(model: Any, folder: str) -> Any:
        name = task.encoder.tokenizer.id_to_token(task.encoder.eos)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=task.encoder.tokenizer, eos_token=name, pad_token=name
        )
        return SFTTrainer(
            model=model,
            args=SFTConfig(folder, **{**_SAME, **_logging(losses), **changes}),
            train_dataset=Dataset.from_list(_whole(task)),
            processing_class=tokenizer,
        )

    return _train(task, make, losses)


def _logging(losses: bool) -> dict[str, Any]:
    return {"logging_steps": 1} if losses else {"logging_strategy": "no"}


def by_trainer(task: Task, losses: bool = False) -> tuple[Taken, list[float]]:
    """By transformers' Trainer with its collator for padded labels, in fp32."""
    from transformers import (
        DataCollatorForSeq2Seq,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )

    def make(model: Any, folder: str) -> Any:
        name = task.encoder.tokenizer.id_to_token(task.encoder.eos)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=task.encoder.tokenizer, eos_token=name, pad_token=name
        )
        return Trainer(
            model=model,
            args=TrainingArguments(folder, **{**_SAME, **_logging(losses)}),
            train_dataset=_whole(task),
            data_collator=DataCollatorForSeq2Seq(tokenizer),
        )

    return _train(task, make, losses)


#: TRL with what speeds it up and changes nothing: no padding, nothing computed twice in layers.
FLAT = {"bf16": False, "gradient_checkpointing": False, "padding_free": True, "max_length": None}
PADDED = {"bf16": False, "gradient_checkpointing": False}
#: TRL as it comes but for the dtype: its bf16 refuses a CPU.
DEFAULT = {"bf16": False, "logging_strategy": "steps", "logging_steps": 10}

WAYS: dict[str, Way] = {
    OURS: by_engine,
    "TRL, padding-free": partial(by_trl, **FLAT),
    "TRL, padded": partial(by_trl, **PADDED),
    "TRL, its default": partial(by_trl, **DEFAULT),
    "transformers' Trainer": by_trainer,
}


def compare(
    setting: Setting, examples: Sequence[Example], steps: int, rounds: int, rates: Rates
) -> dict[str, Any]:
    """All ways on the same steps. AssertionError where a loss differs by more than 1e-4 of it:
    then they do not do the same."""
    task = task_of(setting, examples, steps)
    losses = {name: way(task, True)[1] for name, way in WAYS.items()}
    largest = 0.0
    for name, found in losses.items():
        if name == "TRL, its default":
            continue  # it logs every tenth step; in fp32 it computes what the padded one does
        pairs = zip(found, losses[OURS], strict=True)
        differing = max(abs(theirs - ours) / ours for theirs, ours in pairs)
        if differing > 1e-4:
            raise AssertionError(f"{name}: losses {found}, ours {losses[OURS]}")
        largest = max(largest, differing)
    found_times = interleaved(
        {name: partial(lambda way: way(task, False)[0], way) for name, way in WAYS.items()}, rounds
    )
    limit = rates.limit(*tuning(shape_of(setting.model), task.rows, steps))
    return {
        "what": f"tuning, {steps} steps of {BATCH} examples",
        "amount": steps * BATCH,
        "unit": "examples",
        "tokens": sum(tokens for tokens, _ in task.rows),
        "checks": {"largest_relative_difference_of_losses": largest},
        "limit": limit,
        "ways": compared(found_times, OURS, limit["seconds"]),
    }
