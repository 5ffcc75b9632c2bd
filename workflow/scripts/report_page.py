"""Rule report: findings, figures, tables, what is missing, cost and provenance on pages."""

import json

from tuning_dynamics.identity.job import running
from tuning_dynamics.report.page import write_report

with running(snakemake) as job:
    if job.due:
        write_report(
            snakemake.input.config,
            snakemake.input.tables,
            json.loads(snakemake.params.accepted),
            report=snakemake.output.report,
            findings=snakemake.output.findings,
        )
