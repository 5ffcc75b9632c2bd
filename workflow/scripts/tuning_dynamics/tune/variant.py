"""Tune one variant: every stage of its recipe, in order, each from the one before."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import find_weights, weight_digests
from tuning_dynamics.data.encode import Encoder, load_encoder
from tuning_dynamics.data.items import read_items
from tuning_dynamics.engine.hardware import prepare_device
from tuning_dynamics.engine.loop import Schedule, Scratch, Settings, Training, resume
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.execution import Execution
from tuning_dynamics.study.files import file_digest, read_json, write_json
from tuning_dynamics.study.identity import canonical
from tuning_dynamics.study.paths import scratch
from tuning_dynamics.study.recipes import L2ToBase, Lora, LoraTrain, Recipe, Stage
from tuning_dynamics.tune.examples import Example, encode_example
from tuning_dynamics.tune.order import EpochBatches, mix, steps_in


@dataclass(frozen=True)
class TrainSet:
    """A dataset to tune on: its frozen items, its templates by format (none for dialogues)."""

    name: str
    items: Path
    templates: dict[str, str]


@dataclass(frozen=True)
class Files:
    """Where a tuning job reads and writes."""

    checkpoint: Path
    weights: Path
    manifest: Path
    metrics: Path
    scratch: Path


def tune_variant(
    recipe: Recipe,
    sets: dict[str, TrainSet],
    *,
    key: str,
    seed: int,
    max_length: int,
    code: str,
    execution: Execution,
    files: Files,
) -> None:
    """Tune the checkpoint of `files` through `recipe`; write weights, manifest and metrics.

    `sets` holds the train set as `$target` and any other set that a stage's mix names; `code`
    is the digest of the code, so that a half-done state of other code is not resumed.
    """
    device = prepare_device(execution.device)
    start = find_weights(files.checkpoint)
    encoder = load_encoder(start.folder)
    model: Any = load_model(start.folder, start.adapter, device)
    longest = min(max_length, int(model.config.max_position_embeddings))
    common = _identity(recipe, sets, files, seed, longest, code)
    metrics = []
    for number, stage in enumerate(recipe.stages):
        examples = stage_examples(stage, sets, encoder, longest, seed)
        model = _with_trainable(model, stage, seed)
        identity = canonical({**common, "stage": number})
        kept = Scratch(files.scratch / str(number), identity)
        training = _train(model, stage, sets, examples, seed, execution, device, kept, key)
        counts = _counts(stage, examples, sets)
        metrics.append({**training.metrics("tune", key), **counts})
        last = number == len(recipe.stages) - 1
        if not last and isinstance(stage.train, LoraTrain):
            model = model.merge_and_unload()
    _write(model, recipe, start.folder, files, key)
    write_json(files.metrics, totals(metrics))
    shutil.rmtree(files.scratch, ignore_errors=True)


def tune_from_spec(
    key: str,
    spec: str,
    *,
    code: str,
    execution: Execution,
    inputs: Any,
    outputs: dict[str, str],
) -> None:
    """`tune_variant` from a job's spec (recipe, sets, seed, max_length), inputs and outputs.

    `inputs.sets` are the sets' frozen items in the order of the spec's names.
    """
    parsed = json.loads(spec)
    files = [inputs.sets] if isinstance(inputs.sets, str) else list(inputs.sets)
    sets = {
        name: TrainSet(described["name"], Path(path), described["templates"])
        for (name, described), path in zip(sorted(parsed["sets"].items()), files, strict=True)
    }
    tune_variant(
        Recipe.model_validate(parsed["recipe"]),
        sets,
        key=key,
        seed=parsed["seed"],
        max_length=parsed["max_length"],
        code=code,
        execution=execution,
        files=Files(
            checkpoint=Path(inputs.checkpoint),
            weights=Path(outputs["weights"]),
            manifest=Path(outputs["manifest"]),
            metrics=Path(outputs["metrics"]),
            scratch=scratch(outputs["manifest"]),
        ),
    )


def stage_examples(
    stage: Stage, sets: dict[str, TrainSet], encoder: Encoder, max_length: int, seed: int
) -> list[Example]:
    """The encoded rows that a stage trains on; StudyError where a set has none."""
    sources: dict[str, list[Example]] = {}
    for name in stage.data.mix:
        train_set = sets[name]
        items = read_items(train_set.items, "train")
        if not items:
            raise StudyError(
                f"train set {train_set.name!r} has no training items left",
                file=f"datasets/{train_set.name}.yaml",
                key="source (train)",
                value=str(train_set.items),
                fix="give it more rows: a tenth is set apart for demonstrations",
            )
        template = _template(train_set, stage) if train_set.templates else None
        encoded = [encode_example(item, template, encoder, max_length) for item in items]
        sources[name] = [example for example in encoded if example.learns]
        left_out = len(encoded) - len(sources[name])
        if left_out:
            print(
                f"{train_set.name}: {left_out} of {len(encoded)} examples left out: "
                f"nothing to learn within {max_length} tokens",
                flush=True,
            )
        if not sources[name]:
            raise StudyError(
                f"no example of train set {train_set.name!r} has a token to learn",
                file=f"datasets/{train_set.name}.yaml",
                key="tune.max_length",
                value=max_length,
                fix="raise tune.max_length, or use a model with a longer context",
            )
    return mix(sources, stage.data.mix, seed)


def _template(train_set: TrainSet, stage: Stage) -> str:
    if stage.data.format not in train_set.templates:
        raise StudyError(
            f"train set {train_set.name!r} has no format {stage.data.format!r}",
            key=f"stages.{stage.id}.data.format",
            value=stage.data.format,
            fix=f"known: {', '.join(train_set.templates)}",
        )
    return train_set.templates[stage.data.format]


def _with_trainable(model: Any, stage: Stage, seed: int) -> Any:
    """The model with the stage's parameters, and no others, set to train."""
    if isinstance(stage.train, LoraTrain):
        return with_adapter(model, stage.train.lora, seed)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def with_adapter(model: Any, lora: Lora, seed: int) -> Any:
    """The model with a seeded LoRA adapter; only the adapter trains."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # any number works
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _train(
    model: Any,
    stage: Stage,
    sets: dict[str, TrainSet],
    examples: list[Example],
    seed: int,
    execution: Execution,
    device: torch.device,
    kept: Scratch,
    key: str,
) -> Training:
    optim = stage.optim
    total = steps_in(len(examples), optim.batch_size, optim.epochs)
    target = sets["$target"].name if "$target" in sets else next(iter(sets))
    settings = Settings(
        schedule=Schedule(optim.rate(target), total, optim.warmup, optim.schedule),
        weight_decay=optim.weight_decay,
        clip_norm=optim.clip_norm,
        betas=(0.9, 0.999),
        seed=seed,
        micro_batch=execution.micro_batch,
        save_seconds=execution.save_seconds,
        l2_to_start=stage.reg.l2_to_base if isinstance(stage.reg, L2ToBase) else 0.0,
    )
    recipe = f"recipes/{key.split('/')[2]}.yaml"
    training = Training(model, settings, device, what=f"{key} {stage.id}", file=recipe)
    resume(training, kept)
    training.run(EpochBatches(examples, optim.batch_size, seed).batch, total, kept)
    # Kept until the whole job is done: a later stage that is killed starts from here.
    kept.save(training.state())
    return training


def _identity(
    recipe: Recipe,
    sets: dict[str, TrainSet],
    files: Files,
    seed: int,
    max_length: int,
    code: str,
) -> dict[str, Any]:
    """What a half-done stage's numbers depend on."""
    data = {name: [file_digest(s.items), s.templates] for name, s in sorted(sets.items())}
    return {
        "code": code,
        "recipe": canonical(recipe),
        "data": data,
        "checkpoint": read_json(files.checkpoint)["digests"],
        "seed": seed,
        "max_length": max_length,
    }


def totals(stages: list[dict[str, Any]]) -> dict[str, Any]:
    """A job's metrics from its stages': sums, the largest memory, and the stages themselves."""
    seconds = sum(stage["seconds"] for stage in stages)
    tokens = sum(stage["tokens"] for stage in stages)
    known = [stage["mfu"] for stage in stages if stage["mfu"] is not None]
    return {
        "stage": "tune",
        "job": stages[0]["job"],
        "planned_seconds": None,
        "seconds": seconds,
        "gpu": stages[0]["gpu"],
        "peak_memory_mb": max(stage["peak_memory_mb"] for stage in stages),
        "tokens": tokens,
        "tokens_per_second": tokens / seconds if seconds else None,
        "mfu": known[0] if len(known) == len(stages) == 1 else None,
        "stages": stages,
    }


def _counts(stage: Stage, examples: list[Example], sets: dict[str, TrainSet]) -> dict[str, Any]:
    """What a stage trained on; examples without a token to learn are not among them."""
    return {
        "recipe_stage": stage.id,
        "items": sum(len(read_items(sets[name].items, "train")) for name in stage.data.mix),
        "examples": len(examples),
        "truncated": sum(example.truncated for example in examples),
    }


def _write(model: Any, recipe: Recipe, base: Path, files: Files, key: str) -> None:
    """Save an adapter where only that was trained, else the whole model with its tokenizer."""
    only_adapter = len(recipe.stages) == 1 and isinstance(recipe.stages[0].train, LoraTrain)
    if not only_adapter and isinstance(recipe.stages[-1].train, LoraTrain):
        model = model.merge_and_unload()
    files.weights.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(files.weights))
    if not only_adapter:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            if (base / name).is_file():
                shutil.copyfile(base / name, files.weights / name)
    checkpoint = read_json(files.checkpoint)
    write_json(
        files.manifest,
        {
            "family": checkpoint["family"],
            "step": checkpoint["step"],
            "tokens": checkpoint["tokens"],
            "source": "tune",
            "variant": key,
            "folder": str(base if only_adapter else files.weights),
            "adapter": str(files.weights) if only_adapter else None,
            "digests": weight_digests(files.weights),
        },
    )
