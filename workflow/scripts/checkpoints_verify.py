"""Rule verify: load a checkpoint that exists already and write its manifest."""

from tuning_dynamics.checkpoints.verify import verify
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    verify(
        snakemake.wildcards.family,
        snakemake.params.spec,
        int(snakemake.wildcards.step),
        downloaded=snakemake.input[0] if snakemake.input else None,
        config=snakemake.config,
        manifest=snakemake.output.manifest,
    )
