"""Checks that stop a run before its first job: results of unknown origin, cells made from stale
inputs, its cost, or a job that does not fit its device."""

import math
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.common.rules import RULES
from tuning_dynamics.config.study import Study
from tuning_dynamics.identity.current import WEIGHTS
from tuning_dynamics.identity.reasons import GONE, unrecorded, unrecorded_error
from tuning_dynamics.identity.units import job_name
from tuning_dynamics.plan.basis import basis_of
from tuning_dynamics.plan.budget import Budget, budget_of
from tuning_dynamics.plan.planned_jobs import Planned, planned
from tuning_dynamics.plan.render_text import gigabytes, hours, part_line, reason_lines
from tuning_dynamics.plan.resources import gpus
from tuning_dynamics.run.all_jobs import Jobs

#: Number of stages that a refusal names, the most expensive first.
MOST_EXPENSIVE = 3


def guard(workflow: Any, jobs: Jobs) -> list[str]:
    """Stop a run that must not begin; `workflow` is Snakemake's, its jobs planned. For a run that
    begins, return the lines that say why it makes finished results again.

    StudyError if it can't use existing results (`unknown`), if it would tune models again for their
    loss on a text alone (`without_weights`), if its likely hours exceed max_gpu_hours, if that is
    set and they are unknown, or if a job does not fit the memory of the planned device.
    """
    study = jobs.resolved.study
    basis = basis_of(study, Path(workflow.basedir))
    plan = planned(workflow, jobs)
    refusal = unknown(jobs, plan) or without_weights(jobs, plan)
    if refusal is not None:
        raise refusal
    budget = budget_of(jobs.resolved, jobs.grid, plan.jobs, basis)
    refusal = refused(budget, study)
    if refusal is not None:
        raise refusal
    return reason_lines(plan.again, budget.prices)


def unknown(jobs: Jobs, plan: Planned) -> StudyError | None:
    """Why a run can't use existing results: they have no record, or it makes tables of cells whose
    inputs are not current. None if it can."""
    names = unrecorded(jobs.current.reasons.items())
    if names:
        return unrecorded_error(names, jobs.paths.records)
    left = [job for job in plan.jobs if RULES[job.rule].before_cells]
    if not (jobs.makes_tables_of_parts and left):
        return None
    return StudyError(
        f"{len(left):,} jobs that make inputs of cells are not done",
        key="part",
        value=[text for text, _ in plan.again],
        fix="run the parts again; each makes only what is not current",
    )


def without_weights(jobs: Jobs, plan: Planned) -> StudyError | None:
    """Why a run can't measure losses on the fixed text: the tuned weights were deleted, and all
    else that needs them is done. None if it can."""
    if jobs.resolved.study.keep_weights == "all":
        return None
    of = {
        rule: {job.wildcards["variant"] for job in plan.jobs if job.rule == rule}
        for rule in ("tune", "text_loss")
    }
    again = [
        key for key in sorted(of["tune"] & of["text_loss"]) if _for_its_weights_alone(jobs, key)
    ]
    if not again:
        return None
    return StudyError(
        f"the loss on the fixed text of {len(again):,} tuned models needs their weights, which "
        "were deleted (keep_weights: none)",
        file=jobs.paths.variant_file(again[0], WEIGHTS),
        key="evaluate.text_loss",
        value=True,
        fix="leave it out; or make the weights again, with this command and --forcerun tune",
    )


def _for_its_weights_alone(jobs: Jobs, key: str) -> bool:
    """Whether a variant is current with all its cells, but its weights are gone."""
    variant = jobs.variant(key)
    weights = jobs.paths.variant_file(key, WEIGHTS)
    why = jobs.current.why(job_name("tune", (key,)), jobs.paths.manifest(variant))
    cells = jobs.current.stale_cells(jobs.evaluate.evaluation(variant))
    return why == [GONE.of(weights)] and not cells


def refused(budget: Budget, study: Study) -> StudyError | None:
    """Why a run with this budget does not begin; None if it does."""
    return _too_large(budget, study) or _not_known(budget, study) or _too_expensive(budget, study)


def _too_large(budget: Budget, study: Study) -> StudyError | None:
    memory = budget.device.memory
    if memory is None or budget.least <= memory or not gpus(study, budget.device):
        return None
    return StudyError(
        f"the largest job needs {gigabytes(budget.least)} of GPU memory (at most "
        f"{gigabytes(budget.memory)}), but the {budget.device.name} has {gigabytes(memory)}",
        key="execution.plan_for",
        value=study.execution.plan_for,
        fix="run it on a larger GPU and name it (execution.plan_for), let several share a model "
        "(execution.gpus_per_model), lower execution.micro_batch or tune.max_length, or tune "
        "adapters (a recipe such as lora)",
    )


def _not_known(budget: Budget, study: Study) -> StudyError | None:
    if study.max_gpu_hours is None or not budget.whole.unpriced:
        return None
    return StudyError(
        f"the cost of {budget.whole.unpriced:,} jobs is not known, so max_gpu_hours can't be kept: "
        f"{'; '.join(budget.unknown)}",
        key="max_gpu_hours",
        value=study.max_gpu_hours,
        fix="add the missing keys to the files, or leave out max_gpu_hours",
    )


def _too_expensive(budget: Budget, study: Study) -> StudyError | None:
    limit = study.max_gpu_hours
    if limit is None or budget.whole.hours.mid <= limit:
        return None
    unit = f"{budget.device.name} {budget.device.unit}"
    largest = sorted(budget.stages, key=lambda stage: -stage.hours.mid)[:MOST_EXPENSIVE]
    lines = [
        "the estimated cost of the run is over max_gpu_hours",
        f"  planned: {hours(budget.whole.hours)} {unit}, of which",
        *(f"  {part_line(stage, budget.device)}" for stage in largest if stage.hours.mid),
    ]
    example = Paths(study.study).variant_file("FAMILY/STEP/RECIPE/SET/seed0", "manifest.json")
    return StudyError(
        "\n".join(lines),
        key="max_gpu_hours",
        value=limit,
        fix=f"raise it (--config max_gpu_hours={math.ceil(budget.whole.hours.mid)}; a run is not "
        "stopped at the limit, and may take up to the high end); or put fewer checkpoints, seeds "
        f"or sets into the study's blocks; or name a file to make, such as {example}: the same "
        "command with -n prices it",
    )
