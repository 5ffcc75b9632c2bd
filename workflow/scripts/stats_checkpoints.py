"""Rule checkpoints: the study's checkpoints, and which of them do not fit their place."""

import json
from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.checkpoint_curve import checkpoint_rows
from tuning_dynamics.tables.tables import write_table

with running(snakemake) as job:
    if job.due:
        manifests = [Path(path) for path in snakemake.input.manifests]
        table = checkpoint_rows(manifests, **json.loads(snakemake.params.spec))
        write_table(table, Path(snakemake.output.csv))
