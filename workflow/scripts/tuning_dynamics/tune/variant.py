"""Tune one variant: every stage of its recipe, in order, each from the one before."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.checkpoints.manifest import model_digests, weights_of
from tuning_dynamics.common.atomic_files import read_json, whole_folder, write_json
from tuning_dynamics.common.errors import RefusedError
from tuning_dynamics.common.model_files import TOKENIZER_FILES
from tuning_dynamics.common.variants import parse_variant
from tuning_dynamics.config.execution import Execution, execution_of
from tuning_dynamics.config.recipe import Recipe, Stage, with_rate
from tuning_dynamics.data.token_store import StoredTokens
from tuning_dynamics.engine.loop import scratch
from tuning_dynamics.engine.processes import Ranks
from tuning_dynamics.tune.sampler import Examples, StoredExamples, mix
from tuning_dynamics.tune.stages import (
    Run,
    TrainSets,
    identity_of,
    merged,
    nothing_taken,
    paths_in,
    saves_adapter,
    stage_trainings,
    totals,
    train_on_ranks,
)


@dataclass(frozen=True)
class Files:
    """The files that a tuning job reads and writes."""

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
    variant = parse_variant(key)
    run = Run(key, variant.recipe, variant.train_set, seed, execution, files.scratch, identity)
    train_on_ranks(_tune, recipe, sets, files.checkpoint, run, files)


def _tune(
    ranks: Ranks,
    device: torch.device,
    recipe: Recipe,
    sets: TrainSets,
    checkpoint: Path,
    run: Run,
    files: Files,
) -> None:
    """Tune, in each process that shares the model; the first one writes."""

    def examples_of(stage: Stage) -> Examples:
        stored = {name: StoredExamples(StoredTokens(path)) for name, path in sets.of(stage).items()}
        return mix(stored, stage.data.mix, run.seed)

    metrics = []
    for part in stage_trainings(recipe, examples_of, checkpoint, run, ranks, device):
        part.fit()
        counts = {"recipe_stage": part.stage.id, "examples": len(part.examples)}
        metrics.append({**part.training.metrics("tune", run.key), **counts})
    model = part.model if _only_adapter(recipe) else merged(part.model, part.stage)
    weights = ranks.weights(model)
    if ranks.leads:
        _write(model, weights, recipe, files, run.key)
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
    chosen learning rate, if the recipe selects one.
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
            recipe = with_rate(recipe, _chosen_rate(path))
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


def _chosen_rate(path: Path) -> float:
    """The rate in a rate.json; RefusedError if the train set was refused."""
    chosen = read_json(path)
    if "refused" in chosen:
        raise RefusedError(chosen["refused"])
    return float(chosen["rate"])


def _write_refused(files: Files, key: str, reason: str) -> None:
    """Write the manifest of a variant whose train set was refused, with the reason; no weights."""
    files.weights.mkdir(parents=True, exist_ok=True)
    checkpoint = read_json(files.checkpoint)
    known = {name: checkpoint[name] for name in ("family", "step", "tokens")}
    write_json(
        files.manifest,
        {**known, "source": "tune", "variant": key, "refused": reason, "digests": {}},
    )
    write_json(files.metrics, nothing_taken(key, "tune"))


def _only_adapter(recipe: Recipe) -> bool:
    """Whether a recipe leaves the checkpoint's own weights unchanged."""
    return len(recipe.stages) == 1 and saves_adapter(recipe.stages[0]) is not None


def _save_whole(model: Any, weights: dict[str, torch.Tensor], base: Path, folder: Path) -> None:
    """Save the whole model with its checkpoint's tokenizer, so that it can be used by itself."""
    model.save_pretrained(str(folder), state_dict=weights)
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _write(
    model: Any, weights: dict[str, torch.Tensor], recipe: Recipe, files: Files, key: str
) -> None:
    """Save an adapter if only that was trained, else the whole model with its tokenizer."""
    base = weights_of(files.checkpoint).folder
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
