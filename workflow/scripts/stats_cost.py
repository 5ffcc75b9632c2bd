"""Rule cost: the measured and planned cost of every job."""

from pathlib import Path

from tuning_dynamics.common.paths import ROOT
from tuning_dynamics.identity.job import running
from tuning_dynamics.plan.cost_table import study_cost
from tuning_dynamics.tables.tables import write_table

with running(snakemake) as job:
    if job.due:
        write_table(study_cost(snakemake.config, ROOT), Path(snakemake.output.csv))
