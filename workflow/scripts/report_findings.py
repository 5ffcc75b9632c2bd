"""Rule findings: what the tables say on each published finding."""

import json

from tuning_dynamics.report.pages import write_findings
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    write_findings(
        dict(snakemake.input.items()),
        snakemake.output.html,
        snakemake.output.rst,
        **json.loads(snakemake.params.spec),
    )
