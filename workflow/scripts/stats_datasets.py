"""Rule datasets: the source of each used split."""

from pathlib import Path

from tuning_dynamics.grid.merged_config import read_merged, split_rows
from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.provenance import dataset_rows
from tuning_dynamics.tables.tables import read_table, write_table

with running(snakemake) as job:
    if job.due:
        used = split_rows(read_merged(snakemake.input.config))
        overlaps = read_table(Path(snakemake.input.overlaps))
        write_table(dataset_rows(used, overlaps), Path(snakemake.output.csv))
