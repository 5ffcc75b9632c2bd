"""Tuning on the same rows in the same minibatches, by the engine and by the trainers around."""

import contextlib
import copy
import io
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sides.machine import Rates, Taken, compared, interleaved, timed
from sides.setting import Setting, hugging_face
from sides.side import Side
from sides.work import Shape, tuning
from tuning_dynamics.engine.loop import Batch, Schedule, Settings, Training
from tuning_dynamics.tune.sampler import EpochBatches, Example

BATCH, RATE, SEED = 8, 1e-4, 0
OURS = "this engine"


def minibatches(examples: Sequence[Example], steps: int) -> list[Batch]:
    """The first steps of an epoch over examples, in the order that a study takes."""
    epochs = EpochBatches(examples, BATCH, SEED)
    return [epochs.batch(step) for step in range(steps)]


def rows_of(batches: Sequence[Batch]) -> list[tuple[int, int]]:
    """(tokens, targets) of each example."""
    pairs = [zip(batch.ids, batch.targets, strict=True) for batch in batches]
    return [(len(ids), sum(t >= 0 for t in wanted)) for rows in pairs for ids, wanted in rows]


def training_of(model: Any, device: torch.device, steps: int, rate: float = RATE) -> Training:
    """The engine's training of a model, in place, over so many steps."""
    settings = Settings(
        schedule=Schedule(rate, steps, 0.0, "linear"),
        weight_decay=0.0,
        clip_norm=1.0,
        betas=(0.9, 0.999),
        seed=SEED,
        micro_batch=BATCH,
        save_seconds=1e9,
    )
    return Training(model, settings, device, what="benchmark", file="benchmarks")


def by_engine(
    setting: Setting, batches: Sequence[Batch], rate: float = RATE, kept: Path | None = None
) -> tuple[Taken, list[float]]:
    """(what it takes, each step's loss) by `engine.loop`; `kept` is where the weights go."""
    model = copy.deepcopy(setting.model)
    training = training_of(model, setting.device, len(batches), rate)
    with contextlib.redirect_stdout(io.StringIO()):
        _, taken = timed(
            setting.device, lambda: training.run(batches.__getitem__, len(batches), None)
        )
    if kept is not None:
        torch.save(model.state_dict(), kept)
    return taken, training.progress.losses


def _whole(batches: Sequence[Batch]) -> list[dict[str, list[int]]]:
    """The examples as Hugging Face's trainers take them: labels are not shifted."""
    return [
        {"input_ids": [*ids, targets[-1]], "labels": [-100, *targets]}
        for batch in batches
        for ids, targets in zip(batch.ids, batch.targets, strict=True)
    ]


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


def _train(
    setting: Setting, make: Callable[[Any, str], Any], steps: int
) -> tuple[Taken, list[float]]:
    """What a trainer's `train` takes, its own set-up left out, and the losses it logged."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        trainer = make(copy.deepcopy(setting.model), folder)
        _, taken = timed(setting.device, trainer.train)
    if trainer.state.global_step != steps:
        raise AssertionError(f"{trainer.state.global_step} steps, {steps} were asked for")
    return taken, [row["loss"] for row in trainer.state.log_history if "loss" in row]


def by_trl(
    setting: Setting, batches: Sequence[Batch], changes: dict[str, Any]
) -> tuple[Taken, list[float]]:
    """By TRL's SFTTrainer; `changes` are of its settings."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    def make(model: Any, folder: str) -> Any:
        return SFTTrainer(
            model=model,
            args=SFTConfig(folder, **{**_SAME, **changes}),
            train_dataset=Dataset.from_list(_whole(batches)),
            processing_class=hugging_face(setting.encoder),
        )

    return _train(setting, make, len(batches))


def by_trainer(
    setting: Setting, batches: Sequence[Batch], changes: dict[str, Any]
) -> tuple[Taken, list[float]]:
    """By transformers' Trainer with its collator for padded labels."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    def make(model: Any, folder: str) -> Any:
        return Trainer(
            model=model,
            args=TrainingArguments(folder, **{**_SAME, **changes}),
            train_dataset=_whole(batches),
            data_collator=DataCollatorForSeq2Seq(hugging_face(setting.encoder)),
        )

    return _train(setting, make, len(batches))


QUIET = {"logging_strategy": "no"}
EACH_STEP = {"logging_strategy": "steps", "logging_steps": 1}
#: TRL with what speeds it up and changes nothing: no padding, no layer computed twice.
FLAT = {"gradient_checkpointing": False, "padding_free": True, "max_length": None, **QUIET}
PADDED = {"gradient_checkpointing": False, **QUIET}
#: By whom, and its settings; TRL's default logs every tenth step.
OTHERS: dict[str, tuple[Callable[..., tuple[Taken, list[float]]], dict[str, Any]]] = {
    "TRL, padding-free": (by_trl, FLAT),
    "TRL, padded": (by_trl, PADDED),
    "TRL, its default": (by_trl, {}),
    "transformers' Trainer": (by_trainer, QUIET),
}


def compare(
    ours: Side, theirs: Side, shape: Shape, batches: list[Batch], rounds: int, rates: Rates
) -> dict[str, Any]:
    """All ways on the same steps, in fp32: TRL's own choice, bf16, refuses a CPU.

    AssertionError where a loss differs by more than 1e-4 of it: then they do not do the same.
    """
    precise = {"bf16": False}
    _, losses = ours.call(by_engine, batches)
    largest = 0.0
    for name, (way, changes) in OTHERS.items():
        _, found = theirs.call(way, batches, {**changes, **EACH_STEP, **precise})
        pairs = zip(found, losses, strict=True)
        largest = max(largest, *(abs(their - our) / our for their, our in pairs))
        if largest > 1e-4:
            raise AssertionError(f"{name}: losses {found}, ours {losses}")
    ways = {OURS: lambda: ours.call(by_engine, batches)[0]} | {
        name: partial(_taken, theirs, way, batches, {**changes, **precise})
        for name, (way, changes) in OTHERS.items()
    }
    limit = rates.limit(*tuning(shape, rows_of(batches), len(batches)))
    return {
        "what": f"tuning, {len(batches)} steps of {BATCH} examples",
        "amount": len(batches) * BATCH,
        "unit": "examples",
        "checks": {
            "tokens": sum(tokens for tokens, _ in rows_of(batches)),
            "largest_relative_difference_of_losses": largest,
        },
        "limit": limit,
        "ways": compared(interleaved(ways, rounds), OURS, limit["seconds"]),
    }


def _taken(side: Side, way: Callable[..., Any], *asked: Any) -> Taken:
    taken: Taken = side.call(way, *asked)[0]
    return taken
