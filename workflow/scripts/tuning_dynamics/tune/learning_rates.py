"""Choose a learning rate on held-out training rows, never on an evaluation set."""

import json
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import RefusedError, StudyError
from tuning_dynamics.config.execution import Execution, execution_of
from tuning_dynamics.config.recipe import Recipe, Stage, rate_name
from tuning_dynamics.engine.loop import scratch
from tuning_dynamics.engine.padding_free import IGNORED, packed, summed_loss
from tuning_dynamics.engine.processes import IDLE, SINGLE, Ranks
from tuning_dynamics.tune.sampler import Examples, hold_out, mix
from tuning_dynamics.tune.stages import (
    Run,
    StageTraining,
    TrainSets,
    identity_of,
    nothing_taken,
    stage_trainings,
    totals,
    train_on_ranks,
)


@dataclass(frozen=True)
class Trial:
    """A candidate's run: its name, recipe and train set."""

    key: str
    recipe: str
    train_set: str


def try_rate(
    recipe: Recipe,
    sets: TrainSets,
    *,
    place: Trial,
    seed: int,
    heldout: float,
    code: str,
    execution: Execution,
    checkpoint: Path,
    output: Path,
) -> None:
    """Train a checkpoint through `recipe`, holding out a share of each set's examples, and write
    the mean loss per target token on the last stage's held-out examples, mixed as in that stage.

    The loss is null if training diverged. Only encoded training rows are read.
    """
    identity = {**identity_of(recipe, sets, checkpoint, seed, code), "heldout": heldout}
    folder = scratch(output) / output.stem
    run = Run(place.key, place.recipe, place.train_set, seed, execution, folder, identity)
    train_on_ranks(_try, recipe, sets, checkpoint, run, heldout, output)


def _try(
    ranks: Ranks,
    device: torch.device,
    recipe: Recipe,
    sets: TrainSets,
    checkpoint: Path,
    run: Run,
    heldout: float,
    output: Path,
) -> None:
    """Train and measure, in each process that shares the model; the first one writes."""

    def part_of(stage: Stage, place: int) -> Examples:
        """A stage's mix of the examples to train on (0), or of those held out (1)."""
        halves = {name: hold_out(path, heldout, run.seed) for name, path in sets.of(stage).items()}
        chosen = {name: pair[place] for name, pair in halves.items()}
        return mix(chosen, stage.data.mix, run.seed)

    metrics: list[dict[str, Any]] = []
    loss: float | None = None
    trainings = stage_trainings(recipe, partial(part_of, place=0), checkpoint, run, ranks, device)
    for part in trainings:
        finite = _fits(part)
        metrics.append(part.training.metrics("rate", run.key))
        if not finite:
            break
        if part.last:
            rest = part_of(part.stage, 1)
            loss = mean_loss(part.model, rest, run.execution.micro_batch, device, ranks)
    rate = recipe.stages[-1].optim.rate(run.train_set)
    if ranks.leads:
        write_json(output, totals(run.key, "rate", metrics, {"rate": rate, "loss": loss}))


def _fits(part: StageTraining) -> bool:
    """Train a stage; return whether its loss stays finite."""
    try:
        part.fit()
    except StudyError as error:
        # The loop raises this only for a loss that is not finite.
        print(f"{error.what}: this rate counts as infinitely bad", flush=True)
        return False
    return True


def mean_loss(
    model: Any,
    examples: Examples,
    micro_batch: int,
    device: torch.device,
    ranks: Ranks = SINGLE,
) -> float | None:
    """Mean cross-entropy in nats per token that the loss counts, None if it is not finite."""
    total, counted = torch.zeros((), dtype=torch.float64, device=device), 0
    lengths = [len(examples[k].ids) for k in range(len(examples))]
    model.eval()
    with torch.inference_mode(), packed(model) as flat:
        for places in ranks.passes(lengths, micro_batch if flat else 1):
            rows = [examples[k] for k in places]
            ids, targets = [row.ids for row in rows], [row.targets for row in rows]
            wanted = sum(target != IGNORED for row in targets for target in row)
            if wanted:
                total += summed_loss(model, ids, targets, device, flat=flat)
                counted += wanted
            elif ranks.count > 1:
                summed_loss(model, *IDLE, device, flat=flat)
    both = torch.tensor([float(total), counted], dtype=torch.float64)
    whole, places = ranks.summed(both).tolist()
    return whole / places if math.isfinite(whole) else None


def try_from_spec(
    key: str,
    wildcards: Any,
    spec: str,
    *,
    code: str,
    config: dict[str, Any],
    inputs: Any,
    output: str,
) -> None:
    """`try_rate` from a job's spec (recipe, sets, uses, seed, heldout), its study's config, inputs
    and output."""
    place = Trial(key, wildcards.recipe, wildcards.train_set)
    parsed = json.loads(spec)
    try:
        try_rate(
            Recipe.model_validate(parsed["recipe"]),
            TrainSets.of_job(parsed, inputs.tokens),
            place=place,
            seed=parsed["seed"],
            heldout=parsed["heldout"],
            code=code,
            execution=execution_of(config),
            checkpoint=Path(inputs.checkpoint),
            output=Path(output),
        )
    except RefusedError as refused:
        print(f"refused\n{refused}", flush=True)
        write_json(output, {**nothing_taken(place.key, "rate"), "refused": str(refused)})


def choose_rate(recipe: str, trials: list[str], output: str) -> None:
    """Write the rate with the lowest loss (the smaller of two on a tie), and all losses.

    If the train set was refused, the file says why. StudyError if every candidate diverged.
    """
    losses: dict[float, float | None] = {}
    for trial in map(read_json, trials):
        if "refused" in trial:
            write_json(output, {"refused": trial["refused"]})
            return
        losses[trial["rate"]] = trial["loss"]
    finite = [(loss, rate) for rate, loss in losses.items() if loss is not None]
    if not finite:
        raise StudyError(
            "training diverged at every candidate learning rate",
            file=f"recipes/{recipe}.yaml",
            key="optim.lr.candidates",
            value=sorted(losses),
            fix="add smaller candidates, or check the checkpoint's weights and the data",
        )
    named = {rate_name(rate): losses[rate] for rate in sorted(losses)}
    write_json(output, {"rate": min(finite)[1], "losses": named})
