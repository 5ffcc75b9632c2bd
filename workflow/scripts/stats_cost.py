"""Rule cost: what every job took, beside what was planned."""

from pathlib import Path

from tuning_dynamics.stats.cost import study_cost
from tuning_dynamics.stats.tables import write_table
from tuning_dynamics.study.job import running
from tuning_dynamics.study.paths import ROOT

with running(snakemake) as job:
    if job.due:
        write_table(study_cost(snakemake.config, ROOT), Path(snakemake.output.csv))
