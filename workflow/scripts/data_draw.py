"""Rule draw: a set's demonstrations in another order."""

import json

from tuning_dynamics.data.draws import draw_or_refuse
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        spec = json.loads(snakemake.params.spec)
        draw_or_refuse(snakemake.input.frozen, snakemake.output.drawn, **spec)
