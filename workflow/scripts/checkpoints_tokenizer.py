"""Rule tokenizer: the tokenizer and config of a hub family's final revision."""

from tuning_dynamics.checkpoints.download import download_tokenizer
from tuning_dynamics.checkpoints.listing import shared_listing
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        family, output = snakemake.wildcards.family, snakemake.output[0]
        listing = shared_listing(output, family)
        download_tokenizer(family, snakemake.params.spec, listing=listing, output=output)
