"""Rule family_figures: figures over all that a family was tuned on."""

import json

from tuning_dynamics.report.draw import draw_family
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    draw_family(
        snakemake.wildcards.family,
        dict(snakemake.input.items()),
        dict(snakemake.output.items()),
        **json.loads(snakemake.params.spec),
    )
