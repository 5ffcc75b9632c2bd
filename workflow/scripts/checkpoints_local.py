"""Rule import_local: a manifest for a checkpoint in a local folder."""

from tuning_dynamics.checkpoints.existing import import_local
from tuning_dynamics.study.execution import execution_of
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    import_local(
        snakemake.wildcards.family,
        snakemake.params.spec,
        int(snakemake.wildcards.step),
        data_root=snakemake.config.get("data_root"),
        execution=execution_of(snakemake.config),
        manifest=snakemake.output.manifest,
    )
