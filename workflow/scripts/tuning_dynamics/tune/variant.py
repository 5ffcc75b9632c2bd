"""Tune one variant: every stage of its recipe, in order, each from the one before."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import model_digests, unchanged_weights, weights_of
from tuning_dynamics.common.atomic_files import read_json, remove, whole_folder, write_json
from tuning_dynamics.common.errors import RefusedError
from tuning_dynamics.common.model_files import TOKENIZER_FILES
from tuning_dynamics.common.paths import parse_variant, scratch
from tuning_dynamics.config.execution import Execution, execution_of
from tuning_dynamics.config.learning_rate import chosen_rate, with_rate
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.data.token_store import StoredTokens
from tuning_dynamics.engine.launch import on_ranks
from tuning_dynamics.engine.processes import Ranks
from tuning_dynamics.tune.examples import StoredExamples
from tuning_dynamics.tune.sampler import mix
from tuning_dynamics.tune.stages import (
    Run,
    TrainSets,
    identity_of,
    merged,
    nothing_taken,
    paths_in,
    prepare,
    require_shareable,
    require_tokenizer,
    saves_adapter,
    totals,
    train,
    with_trainable,
)


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
    sets: TrainSets,
    *,
    key: str,
    seed: int,
    code: str,
    execution: Execution,
    files: Files,
) -> None:
    """Tune the checkpoint of `files` through `recipe`; write weights, manifest and metrics.

    `code` is the digest of the code, so that a half-done state of other code is not resumed.
    """
    identity = identity_of(recipe, sets, files.checkpoint, seed, code)
    require_shareable(recipe, execution)
    require_tokenizer(sets, weights_of(files.checkpoint).folder)
    variant = parse_variant(key)
    run = Run(key, variant.recipe, variant.train_set, seed, execution, files.scratch, identity)
    on_ranks(execution, _tune, recipe, sets, run, files)
    for number in range(len(recipe.stages)):
        remove(files.scratch / str(number))


def _tune(
    ranks: Ranks, device: torch.device, recipe: Recipe, sets: TrainSets, run: Run, files: Files
) -> None:
    """Tune, in each of the processes that share the model; the first writes."""
    with unchanged_weights(files.checkpoint) as start:
        model: Any = load_model(start.folder, start.adapter, ranks.first_on(device))
    metrics = []
    for number, stage in enumerate(recipe.stages):
        stored = {name: StoredExamples(StoredTokens(path)) for name, path in sets.of(stage).items()}
        examples = mix(stored, stage.data.mix, run.seed)
        model = ranks.ready(with_trainable(model, stage, run.seed))
        last = number == len(recipe.stages) - 1
        training, kept = prepare(model, stage, number, examples, run, ranks, device)
        train(training, stage, examples, kept, run.seed, last=last)
        counts = {"recipe_stage": stage.id, "examples": len(examples)}
        metrics.append({**training.metrics("tune", run.key), **counts})
        model = model if _only_adapter(recipe) else merged(model, stage)
    weights = ranks.weights(model)
    if ranks.leads:
        _write(model, weights, recipe, start.folder, files, run.key)
        write_json(files.metrics, totals(run.key, "tune", metrics, {}))


def tune_from_spec(
    key: str,
    spec: str,
    *,
    code: str,
    config: dict[str, Any],
    inputs: Any,
    outputs: dict[str, str],
) -> None:
    """`tune_variant` from a job's spec, its study's config, its inputs and outputs.

    `inputs.tokens` are the encoded sets in the order of the spec's `sets`; `inputs.rates` the
    chosen learning rate, where the recipe selects one.
    """
    parsed = json.loads(spec)
    files = Files(
        checkpoint=Path(inputs.checkpoint),
        weights=Path(outputs["weights"]),
        manifest=Path(outputs["manifest"]),
        metrics=Path(outputs["metrics"]),
        scratch=scratch(outputs["manifest"]),
    )
    try:
        recipe = Recipe.model_validate(parsed["recipe"])
        for path in paths_in(inputs.rates):
            recipe = with_rate(recipe, chosen_rate(path))
        tune_variant(
            recipe,
            TrainSets.of_job(parsed, inputs.tokens),
            key=key,
            seed=parsed["seed"],
            code=code,
            execution=execution_of(config),
            files=files,
        )
    except RefusedError as refused:
        print(f"refused\n{refused}", flush=True)
        _write_refused(files, key, str(refused))


def _write_refused(files: Files, key: str, reason: str) -> None:
    """Write what says that a variant's train set was refused, and why; it has no weights."""
    files.weights.mkdir(parents=True, exist_ok=True)
    checkpoint = read_json(files.checkpoint)
    told = {name: checkpoint[name] for name in ("family", "step", "tokens")}
    write_json(
        files.manifest,
        {**told, "source": "tune", "variant": key, "refused": reason, "digests": {}},
    )
    write_json(files.metrics, nothing_taken(key, "tune"))


def _only_adapter(recipe: Recipe) -> bool:
    """Whether a recipe leaves the checkpoint's own weights as they are."""
    return len(recipe.stages) == 1 and saves_adapter(recipe.stages[0]) is not None


def _save_whole(model: Any, weights: dict[str, torch.Tensor], base: Path, folder: Path) -> None:
    """Save the whole model with its checkpoint's tokenizer, so that it can be used by itself."""
    model.save_pretrained(str(folder), state_dict=weights)
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _write(
    model: Any, weights: dict[str, torch.Tensor], recipe: Recipe, base: Path, files: Files, key: str
) -> None:
    """Save an adapter where only that was trained, else the whole model with its tokenizer."""
    only_adapter, save_adapter = _only_adapter(recipe), saves_adapter(recipe.stages[0])
    with whole_folder(files.weights) as folder:
        if only_adapter and save_adapter is not None:
            save_adapter(model, weights, folder)
        else:
            _save_whole(model, weights, base, folder)
    checkpoint = read_json(files.checkpoint)
    under = {"base": checkpoint["digests"], "checkpoint": str(files.checkpoint)}
    write_json(
        files.manifest,
        {
            "family": checkpoint["family"],
            "step": checkpoint["step"],
            "source": "tune",
            "variant": key,
            "folder": str(base if only_adapter else files.weights),
            "adapter": str(files.weights) if only_adapter else None,
            "digests": model_digests(files.weights),
            **(under if only_adapter else {}),
        },
    )
