"""Rule verify: load an existing checkpoint and write its manifest."""

from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        from tuning_dynamics.checkpoints.verify import verify
        from tuning_dynamics.preflight.trial import try_model

        verify(
            snakemake.wildcards.family,
            snakemake.params.spec,
            int(snakemake.wildcards.step),
            downloaded=next(iter(snakemake.input.downloaded), None),
            config=snakemake.config,
            manifest=snakemake.output.manifest,
            trial=try_model,
        )
