"""Rule pretrain: one segment of a family's pre-training."""

from tuning_dynamics.config.execution import execution_of
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        from tuning_dynamics.checkpoints.pretrain import pretrain_segment

        pretrain_segment(
            snakemake.wildcards.family,
            step=int(snakemake.wildcards.step),
            spec=snakemake.params.spec,
            code=job.code,
            execution=execution_of(snakemake.config),
            inputs=dict(snakemake.input.items()),
            outputs=dict(snakemake.output.items()),
        )
