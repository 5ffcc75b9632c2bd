"""Rule datasets: where each split that is used comes from."""

from pathlib import Path

from tuning_dynamics.stats.provenance import dataset_rows
from tuning_dynamics.stats.tables import write_table
from tuning_dynamics.study.cells import split_rows
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        used = split_rows(snakemake.input.config)
        write_table(dataset_rows(used), Path(snakemake.output.csv))
