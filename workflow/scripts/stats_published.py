"""Rule published_scores: the tables from published scores."""

import json
from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.published_tables import write_published

with running(snakemake) as job:
    if job.due:
        folder = Path(snakemake.output.csv[0]).parent
        write_published(snakemake.input.tables, folder, **json.loads(snakemake.params.spec))
