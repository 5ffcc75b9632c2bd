"""Rule try_rate: a candidate learning rate on held-out training rows."""

from tuning_dynamics.identity.job import running

if __name__ == "__main__":  # processes that share a model import this file too
    with running(snakemake) as job:
        if job.due:
            from tuning_dynamics.tune.learning_rates import try_from_spec

            try_from_spec(
                snakemake.params.key,
                snakemake.wildcards,
                snakemake.params.spec,
                code=job.code,
                config=snakemake.config,
                inputs=snakemake.input,
                output=snakemake.output[0],
            )
