"""Rule try_rate: a candidate learning rate on training rows that are held out."""

from tuning_dynamics.study.execution import execution_of
from tuning_dynamics.study.stub import logged
from tuning_dynamics.tune.rates import try_from_spec

# Processes that share a model read this file too, for its imports.
if __name__ == "__main__":
    with logged(snakemake.log):
        try_from_spec(
            snakemake.params.key,
            snakemake.params.spec,
            code=snakemake.params.code,
            execution=execution_of(snakemake.config),
            inputs=snakemake.input,
            output=snakemake.output[0],
        )
