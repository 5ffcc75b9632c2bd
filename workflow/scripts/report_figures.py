"""Rule figures: all figures of the study."""

import json

from tuning_dynamics.report.figures.draw import draw_figures
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    draw_figures(
        dict(snakemake.input.items()),
        snakemake.params.folder,
        **json.loads(snakemake.params.spec),
        processes=snakemake.threads,
    )
