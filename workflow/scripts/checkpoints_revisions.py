"""Rule revisions: what the hub has of a family."""

from tuning_dynamics.checkpoints.revisions import list_family
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        list_family(snakemake.wildcards.family, snakemake.params.spec, snakemake.output[0])
