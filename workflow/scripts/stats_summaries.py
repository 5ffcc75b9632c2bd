"""Rule summaries: transfer, groups, turning points, trends and noise, from the scores' tables."""

from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.summaries import Asked, summary_tables
from tuning_dynamics.tables.tables import read_tables, write_table

with running(snakemake) as job:
    if job.due:
        found = summary_tables(read_tables(snakemake.input), Asked.of(snakemake.params.spec))
        for path in snakemake.output.csv:
            write_table(found[Path(path).stem], Path(path))
