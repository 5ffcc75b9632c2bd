"""Rule checkpoints: the study's checkpoints, which do not fit, and the chosen learning rates."""

import json
from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.checkpoint_curve import checkpoint_rows
from tuning_dynamics.stats.chosen_rates import rate_rows
from tuning_dynamics.tables.tables import write_table

with running(snakemake) as job:
    if job.due:
        manifests = [Path(path) for path in snakemake.input.manifests]
        chosen = [Path(path) for path in snakemake.input.rates]
        checkpoints, rates = map(Path, snakemake.output.csv)
        write_table(checkpoint_rows(manifests, **json.loads(snakemake.params.spec)), checkpoints)
        write_table(rate_rows(chosen, json.loads(snakemake.params.choices)), rates)
