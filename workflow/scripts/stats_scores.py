"""Rule scores: the tables that are made of cells' records, in one pass."""

import json
from pathlib import Path

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.tables import write_table
from tuning_dynamics.study.cells import cell_rows
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        rows = cell_rows(snakemake.input.config)
        tables = cell_tables(rows, **json.loads(snakemake.params.spec))
        for path in map(Path, snakemake.output.csv):
            write_table(tables[path.stem], path)
