"""Rule plan: the budget of what is left to run, by a dry run of the same study."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.plan.budget_rule import budget_files

with logged(snakemake.log):
    budget_files(snakemake.config)
