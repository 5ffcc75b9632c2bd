"""Rule report: Snakemake's own report of everything that rule `pages` names."""

from tuning_dynamics.report.pages import write_report
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    write_report(snakemake.config, snakemake.output[0])
