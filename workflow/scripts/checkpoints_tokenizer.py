"""Rule tokenizer: the tokenizer and config of a hub family's final revision."""

from tuning_dynamics.checkpoints.download import download_tokenizer
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        family, listing = snakemake.wildcards.family, snakemake.input.listing
        download_tokenizer(family, listing=listing, output=snakemake.output[0])
