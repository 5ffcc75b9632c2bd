"""Rule freeze: a dataset's rows become checked, frozen items."""

import json

from tuning_dynamics.data.freeze import freeze_or_refuse
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        freeze_or_refuse(
            snakemake.wildcards.dataset,
            json.loads(snakemake.params.spec),
            snakemake.config.get("data_root"),
            snakemake.output.frozen,
            snakemake.output.manifest,
            job.former(snakemake.output.manifest),
        )
