"""Rule figures: all figures of the study."""

import json
from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.report.figures.draw import draw_figures

with running(snakemake) as job:
    if job.due:
        draw_figures(
            dict(snakemake.input.items()),
            folder=Path(snakemake.output.svg[0]).parents[1],
            **json.loads(snakemake.params.spec),
            processes=snakemake.threads,
        )
