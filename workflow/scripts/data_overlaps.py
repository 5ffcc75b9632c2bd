"""Rule overlaps: evaluated items that stand in what models are tuned on or shown."""

import json
from pathlib import Path

from tuning_dynamics.data.overlap_rows import overlap_rows
from tuning_dynamics.identity.job import running
from tuning_dynamics.tables.tables import from_rows, write_table

with running(snakemake) as job:
    if job.due:
        spec = json.loads(snakemake.params.spec)
        files = dict(zip(spec["sets"], snakemake.input.frozen, strict=True))
        rows = overlap_rows(spec["pairs"], files)
        write_table(from_rows(rows, "overlaps"), Path(snakemake.output.csv))
