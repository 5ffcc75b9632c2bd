"""Rule download: the files of one revision, compared with the hub's digests."""

from tuning_dynamics.checkpoints.download import download
from tuning_dynamics.checkpoints.listing import shared_listing
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        download(
            snakemake.wildcards.family,
            snakemake.params.spec,
            int(snakemake.wildcards.step),
            others=snakemake.params.others,
            listing=shared_listing(snakemake.output[0], snakemake.wildcards.family),
            output=snakemake.output[0],
            pinned=job.former(snakemake.output[0]),
        )
