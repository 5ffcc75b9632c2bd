"""Rule compare: the cells that two studies share, side by side."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.grid.compare_request import sides_of
from tuning_dynamics.stats.compare import write_comparison

with logged(snakemake.log):
    write_comparison(sides_of(snakemake.config))
