"""Rule serve: a variant's model, loaded once, answers its cells."""

from tuning_dynamics.evaluate.server import serve
from tuning_dynamics.study.execution import execution_of
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    serve(
        snakemake.wildcards.variant,
        snakemake.input.manifest,
        snakemake.output[0],
        execution=execution_of(snakemake.config),
    )
