"""Rule choose_rate: the candidate learning rate of the lowest held-out loss."""

from tuning_dynamics.study.stub import logged
from tuning_dynamics.tune.rates import choose_rate

with logged(snakemake.log):
    choose_rate(snakemake.wildcards.recipe, list(snakemake.input), snakemake.output[0])
