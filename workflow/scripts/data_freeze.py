"""Rule freeze: a dataset's rows become checked, frozen items."""

import json

from tuning_dynamics.data.freeze import freeze_from_spec
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        freeze_from_spec(
            snakemake.wildcards.dataset,
            json.loads(snakemake.params.spec),
            snakemake.config.get("data_root"),
            snakemake.output.frozen,
            snakemake.output.manifest,
        )
