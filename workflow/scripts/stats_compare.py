"""Rule compare: the cells that two studies share, side by side."""

from tuning_dynamics.stats.compare import write_comparison
from tuning_dynamics.study.sides import sides_of
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    write_comparison(sides_of(snakemake.config))
