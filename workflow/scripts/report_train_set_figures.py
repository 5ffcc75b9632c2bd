"""Rule train_set_figures: figures of the models tuned on one set."""

import json

from tuning_dynamics.report.draw import draw_train_set
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    draw_train_set(
        snakemake.wildcards.family,
        snakemake.wildcards.dataset,
        snakemake.input.scores,
        dict(snakemake.output.items()),
        **json.loads(snakemake.params.spec),
    )
