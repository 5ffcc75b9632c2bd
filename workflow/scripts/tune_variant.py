"""Rule tune: a variant through its recipe's stages."""

from tuning_dynamics.identity.job import running

if __name__ == "__main__":  # processes that share a model import this file too
    with running(snakemake) as job:
        if job.due:
            from tuning_dynamics.tune.variant import tune_from_spec

            tune_from_spec(
                snakemake.wildcards.variant,
                snakemake.params.spec,
                code=job.code,
                config=snakemake.config,
                inputs=snakemake.input,
                outputs=dict(snakemake.output.items()),
            )
