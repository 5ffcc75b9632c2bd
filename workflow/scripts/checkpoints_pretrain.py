"""Rule pretrain: one segment of a family's pre-training."""

from tuning_dynamics.checkpoints.pretrain import pretrain_segment
from tuning_dynamics.study.execution import execution_of
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    pretrain_segment(
        snakemake.wildcards.family,
        step=int(snakemake.wildcards.step),
        **dict(snakemake.params.items()),
        execution=execution_of(snakemake.config),
        inputs=dict(snakemake.input.items()),
        outputs=dict(snakemake.output.items()),
    )
