"""Rule download: a revision of a hub repository, checked, with its manifest."""

from tuning_dynamics.checkpoints.existing import download
from tuning_dynamics.study.execution import execution_of
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    download(
        snakemake.wildcards.family,
        snakemake.params.spec,
        int(snakemake.wildcards.step),
        execution=execution_of(snakemake.config),
        manifest=snakemake.output.manifest,
    )
