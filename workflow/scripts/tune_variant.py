"""Rule tune: a variant through its recipe's stages."""

from tuning_dynamics.study.stub import logged
from tuning_dynamics.tune.variant import tune_from_spec

if __name__ == "__main__":  # processes that share a model import this file too
    with logged(snakemake.log):
        tune_from_spec(
            snakemake.wildcards.variant,
            snakemake.params.spec,
            code=snakemake.params.code,
            config=snakemake.config,
            inputs=snakemake.input,
            outputs=dict(snakemake.output.items()),
        )
