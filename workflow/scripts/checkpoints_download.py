"""Rule download: the files of one revision, compared with the hub's digests."""

from tuning_dynamics.checkpoints.download import download
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        download(
            snakemake.wildcards.family,
            snakemake.params.spec,
            int(snakemake.wildcards.step),
            listing=snakemake.input.listing,
            output=snakemake.output[0],
        )
