"""Rule revisions: what the hub has of a family."""

from tuning_dynamics.checkpoints.revisions import list_family
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    list_family(snakemake.wildcards.family, snakemake.params.spec, snakemake.output[0])
