"""Rule choose_rate: the candidate learning rate with the lowest held-out loss."""

from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        from tuning_dynamics.tune.learning_rates import choose_rate

        choose_rate(snakemake.wildcards.recipe, list(snakemake.input.trials), snakemake.output[0])
