"""Rule tune: a variant through its recipe's stages."""

from tuning_dynamics.study.execution import execution_of
from tuning_dynamics.study.stub import logged
from tuning_dynamics.tune.variant import tune_from_spec

# Processes that share a model read this file too, for its imports.
if __name__ == "__main__":
    with logged(snakemake.log):
        tune_from_spec(
            snakemake.wildcards.variant,
            snakemake.params.spec,
            code=snakemake.params.code,
            execution=execution_of(snakemake.config),
            inputs=snakemake.input,
            outputs=dict(snakemake.output.items()),
        )
