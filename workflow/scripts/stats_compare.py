"""Rule compare: the cells that two studies share, side by side."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.published.compare import write_comparison
from tuning_dynamics.published.compare_request import sides_of

with logged(snakemake.log):
    write_comparison(sides_of(snakemake.config))
