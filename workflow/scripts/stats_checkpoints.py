"""Rule checkpoints: checkpoints, chosen learning rates, and losses of tuned models on the text."""

import json
from pathlib import Path

from tuning_dynamics.identity.job import running
from tuning_dynamics.stats.checkpoint_curve import checkpoint_rows
from tuning_dynamics.stats.chosen_rates import rate_rows
from tuning_dynamics.stats.text_losses import text_loss_rows
from tuning_dynamics.tables.tables import write_table

with running(snakemake) as job:
    if job.due:
        manifests = [Path(path) for path in snakemake.input.manifests]
        chosen = [Path(path) for path in snakemake.input.rates]
        checkpoints, rates, losses = map(Path, snakemake.output.csv)
        points = checkpoint_rows(manifests, **json.loads(snakemake.params.spec))
        write_table(points, checkpoints)
        write_table(rate_rows(chosen, json.loads(snakemake.params.choices)), rates)
        write_table(text_loss_rows([*map(Path, snakemake.input.losses)], points), losses)
