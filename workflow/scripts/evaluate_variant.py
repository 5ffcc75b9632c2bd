"""Rule evaluate: the cells of a variant that are due, with one load of its model."""

from pathlib import Path

from tuning_dynamics.config.execution import execution_of
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        from tuning_dynamics.evaluate.variant import due_cells, evaluate_variant

        evaluate_variant(
            snakemake.wildcards.variant,
            due_cells(job),
            manifest=Path(snakemake.input.manifest),
            metrics=Path(snakemake.output.metrics),
            execution=execution_of(snakemake.config),
        )
