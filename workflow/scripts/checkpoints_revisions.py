"""Rule revisions: the listing of a family on the hub."""

from tuning_dynamics.checkpoints.listing import shared_listing
from tuning_dynamics.checkpoints.revisions import list_family
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        family, output = snakemake.wildcards.family, snakemake.output[0]
        listing = shared_listing(output, family)
        list_family(family, snakemake.params.spec, listing=listing, output=output)
