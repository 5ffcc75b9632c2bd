"""A recipe's stages: data, trained weights and settings of each; each starts from the last one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import unchanged_weights, weights_of
from tuning_dynamics.common.atomic_files import file_digest, read_json, remove
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.registry import kind_of
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.config.recipe import REGULARISERS, TRAINABLE, Recipe, Stage
from tuning_dynamics.data.token_store import StoredTokens
from tuning_dynamics.data.tokenizer import tokenizer_digest
from tuning_dynamics.engine.launch import on_ranks
from tuning_dynamics.engine.loop import Penalty, Schedule, Scratch, Settings, Training, resume
from tuning_dynamics.engine.processes import Ranks
from tuning_dynamics.tune.sampler import EpochBatches, Examples, steps_in


@dataclass(frozen=True)
class TrainSets:
    """The encoded sets of a job; `uses` maps stage and name in its mix to the set that it reads."""

    files: dict[str, Path]
    uses: dict[str, dict[str, str]]

    @staticmethod
    def of_job(spec: Mapping[str, Any], tokens: Any) -> "TrainSets":
        """From a job's spec, and the files of its sets in the order of `sets`."""
        return TrainSets(dict(zip(spec["sets"], paths_in(tokens), strict=True)), spec["uses"])

    def of(self, stage: Stage) -> dict[str, Path]:
        """The file of each set in a stage's mix."""
        return {name: self.files[used] for name, used in self.uses[stage.id].items()}


def paths_in(named: Any) -> list[Path]:
    """The paths of one of Snakemake's inputs, which is a string if there is one file."""
    return [Path(named)] if isinstance(named, str) else [Path(path) for path in named]


@dataclass(frozen=True)
class Run:
    """What the stages of one job share; `key` is its name."""

    key: str
    recipe: str
    train_set: str
    seed: int
    execution: Execution
    scratch: Path
    identity: dict[str, Any]


def require_tokenizer(sets: TrainSets, folder: Path) -> None:
    """StudyError unless the sets were encoded with the tokenizer of a checkpoint's folder.

    They are encoded once per family; a revision with another tokenizer would read other text.
    """
    own = tokenizer_digest(folder)
    for path in sets.files.values():
        if StoredTokens(path).tokenizer != own:
            raise StudyError(
                "the checkpoint's tokenizer is not the one that the train set was encoded with",
                file=folder / "tokenizer.json",
                value=str(path),
                fix="leave this checkpoint out, or give it a family of its own: the checkpoints "
                "of a family share a tokenizer",
            )


def identity_of(
    recipe: Recipe, sets: TrainSets, checkpoint: Path, seed: int, code: str
) -> dict[str, Any]:
    """Everything that a half-done stage's numbers depend on."""
    return {
        "code": code,
        "recipe": canonical(recipe),
        "data": {name: file_digest(path) for name, path in sets.files.items()},
        "uses": sets.uses,
        "checkpoint": read_json(checkpoint)["digests"],
        "seed": seed,
    }


def _with_trainable(model: Any, stage: Stage, seed: int) -> Any:
    """The model with the stage's parameters, and no others, set to train."""
    name, settings = kind_of(stage.train)
    return TRAINABLE[name].begin(model, settings, seed)


def saves_adapter(stage: Stage) -> Callable[[Any, dict[str, torch.Tensor], Path], None] | None:
    """The function that saves a stage's adapter; None if the model's own weights train."""
    save: Callable[[Any, dict[str, torch.Tensor], Path], None] | None
    save = TRAINABLE[kind_of(stage.train)[0]].save_adapter
    return save


def _penalty(stage: Stage) -> Penalty | None:
    """The penalty that a stage adds to its loss; None if there is none."""
    name, settings = kind_of(stage.reg)
    found: Penalty | None = REGULARISERS[name].penalty(settings)
    return found


@dataclass(frozen=True)
class StageTraining:
    """One stage of a job, ready to be trained: its model, examples and training."""

    stage: Stage
    model: Any
    examples: Examples
    training: Training
    scratch: Scratch
    last: bool

    def fit(self) -> None:
        """Train to the end; StudyError if the loss is not finite.

        The state is kept until the whole job is done, so that a later stage that is killed starts
        from there; the last stage's is not, as its result is written next.
        """
        optim, training = self.stage.optim, self.training
        batches = EpochBatches(self.examples, optim.batch_size, training.settings.seed)
        training.run(batches.batch, _steps(self.stage, self.examples), self.scratch)
        if not self.last:
            state = training.state()
            if training.ranks.leads:
                self.scratch.save(state)


def stage_trainings(
    recipe: Recipe,
    examples_of: Callable[[Stage], Examples],
    checkpoint: Path,
    run: Run,
    ranks: Ranks,
    device: torch.device,
) -> Iterator[StageTraining]:
    """Each stage of a recipe in order, continued from its saved state if there is one.

    A stage starts from the model of the one before, which the caller has trained by then; the
    first from `checkpoint`.
    """
    with unchanged_weights(checkpoint) as start:
        model: Any = load_model(start.folder, start.adapter, ranks.first_on(device))
    for number, stage in enumerate(recipe.stages):
        if number:
            model = merged(model, recipe.stages[number - 1])
        examples = examples_of(stage)
        model = ranks.ready(_with_trainable(model, stage, run.seed))
        scratch = Scratch(run.scratch / str(number), canonical({**run.identity, "stage": number}))
        training = Training(
            model,
            _settings(stage, _steps(stage, examples), run),
            device,
            what=f"{run.key} {stage.id}",
            file=f"recipes/{run.recipe}.yaml",
            ranks=ranks,
        )
        resume(training, scratch)
        last = number == len(recipe.stages) - 1
        yield StageTraining(stage, model, examples, training, scratch, last)


def _steps(stage: Stage, examples: Examples) -> int:
    return steps_in(len(examples), stage.optim.batch_size, stage.optim.epochs)


def _settings(stage: Stage, steps: int, run: Run) -> Settings:
    """Training settings of a stage with this many optimiser steps."""
    optim = stage.optim
    return Settings(
        schedule=Schedule(optim.rate(run.train_set), steps, optim.warmup, optim.schedule),
        weight_decay=optim.weight_decay,
        clip_norm=optim.clip_norm,
        betas=(0.9, 0.999),
        seed=run.seed,
        micro_batch=run.execution.micro_batch,
        save_seconds=run.execution.save_seconds,
        penalty=_penalty(stage),
    )


def train_on_ranks(
    work: Callable[..., None],
    recipe: Recipe,
    sets: TrainSets,
    checkpoint: Path,
    run: Run,
    *arguments: Any,
) -> None:
    """Call `work(ranks, device, recipe, sets, checkpoint, run, *arguments)` in each process that
    shares the model; the stages' saved states are removed when it has written its results.

    StudyError if GPUs can't share the recipe, or the sets have another tokenizer.
    """
    require_shareable(recipe, run.execution)
    require_tokenizer(sets, weights_of(checkpoint).folder)
    on_ranks(run.execution, work, recipe, sets, checkpoint, run, *arguments)
    for number in range(len(recipe.stages)):
        remove(run.scratch / str(number))


def require_shareable(recipe: Recipe, execution: Execution) -> None:
    """StudyError if GPUs are to share a recipe that merges an adapter into the weights."""
    adapters = [stage.id for stage in recipe.stages if saves_adapter(stage)]
    if execution.gpus_per_model > 1 and adapters and len(recipe.stages) > 1:
        raise StudyError(
            f"the adapter of stage {adapters[0]!r} would be merged into weights that GPUs share",
            key="execution.gpus_per_model",
            value=execution.gpus_per_model,
            fix="set it to 1, or give the recipe one stage, or no adapters",
        )


def merged(model: Any, stage: Stage) -> Any:
    """The model after a stage as a later one starts from it: an adapter is merged."""
    return TRAINABLE[kind_of(stage.train)[0]].end(model)


def nothing_taken(job: str, stage: str) -> dict[str, Any]:
    """The metrics of a job whose input was refused."""
    empty = {"stage": stage, "job": job, "planned_seconds": None, "seconds": 0.0, "gpu": ""}
    speed = {"tokens": 0, "tokens_per_second": None, "mfu": None}
    return {**empty, "devices": 0, "peak_memory_mb": 0.0, **speed, "stages": []}


def totals(
    job: str, stage: str, stages: list[dict[str, Any]], more: Mapping[str, Any]
) -> dict[str, Any]:
    """A job's metrics from its stages': sums, the largest memory, and the stages themselves."""
    seconds = sum(part["seconds"] for part in stages)
    tokens = sum(part["tokens"] for part in stages)
    known = [part["mfu"] for part in stages if part["mfu"] is not None]
    return {
        "stage": stage,
        "job": job,
        "planned_seconds": None,
        "seconds": seconds,
        "gpu": stages[0]["gpu"],
        "devices": stages[0]["devices"],
        "peak_memory_mb": max(part["peak_memory_mb"] for part in stages),
        "tokens": tokens,
        "tokens_per_second": tokens / seconds if seconds else None,
        "mfu": known[0] if len(known) == len(stages) == 1 else None,
        **more,
        "stages": stages,
    }
