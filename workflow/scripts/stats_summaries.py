"""Rule summaries: the tables made from the scores' tables."""

import json
from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.summarise import SummarySettings, summary_tables
from tuning_dynamics.tables.tables import read_tables, write_table

with running(snakemake) as job:
    if job.due:
        asked = SummarySettings.of(snakemake.params.spec)
        names = json.loads(snakemake.params.tables)
        made = summary_tables(read_tables(snakemake.input), asked, names)
        for path in map(Path, snakemake.output.csv):
            write_table(made[path.stem], path)
