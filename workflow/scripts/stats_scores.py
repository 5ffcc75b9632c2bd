"""Rule scores: the tables made from cells' records, in one pass."""

import json
from pathlib import Path

from tuning_dynamics.grid.evaluated_sets import evaluated_sets
from tuning_dynamics.grid.merged_config import cell_rows, read_merged
from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.leaks import leaked_cells
from tuning_dynamics.tables.tables import read_table, write_table

with running(snakemake) as job:
    if job.due:
        merged = read_merged(snakemake.input.config)
        rows, sets = cell_rows(merged), evaluated_sets(merged.resolved, merged.grid)
        leaked = leaked_cells(rows, read_table(Path(snakemake.input.overlaps)))
        tables = cell_tables(rows, leaked, sets=sets, **json.loads(snakemake.params.spec))
        for path in map(Path, snakemake.output.csv):
            write_table(tables[path.stem], path)
