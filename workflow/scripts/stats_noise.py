"""Rule noise: what differs between seeds and between near-identical checkpoints."""

from pathlib import Path

from tuning_dynamics.stats.noise import noise_rows
from tuning_dynamics.stats.tables import read_table, write_table
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    scores = read_table(Path(snakemake.input.scores))
    write_table(noise_rows(scores), Path(snakemake.output.csv))
