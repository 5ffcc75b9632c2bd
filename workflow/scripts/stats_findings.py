"""Rule findings: what the tables say on each published finding, and on its limitations."""

from pathlib import Path

from tuning_dynamics.findings.findings import finding_rows
from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.summarise import SummarySettings
from tuning_dynamics.tables.tables import read_tables, write_table

with running(snakemake) as job:
    if job.due:
        found = finding_rows(
            read_tables(snakemake.input), SummarySettings.of(snakemake.params.spec)
        )
        write_table(found, Path(snakemake.output.csv))
