"""Rule plan: the budget of what is left to run, by a dry run of the same study."""

from tuning_dynamics.plan.ask import budget_files
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    budget_files(snakemake.config)
