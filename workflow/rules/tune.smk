"""Tune: one set of weights per checkpoint, recipe, train set and seed.

Inputs: a checkpoint's manifest and the encoded train sets. Outputs:
results/{study}/{family}/{step}/{recipe}/{train_set}/seed{seed}/ manifest.json (digests), weights
(or a LoRA adapter), metrics.json (tokens, speed, memory, loss curve); for recipes that choose
their learning rate also results/{study}/{family}/rates/{recipe}/{train_set}/ {rate}.json (loss
on held-out training rows) and rate.json (the choice), in step{step}/ there if every checkpoint
has its own. A killed run continues from its state
under scratch/.
"""


rule try_rate:
    """Train the last checkpoint at one candidate rate, and measure its loss on held-out rows."""
    input:
        checkpoint=lambda wildcards: paths.checkpoint(jobs.tune.trial_checkpoint(wildcards.family)),
        tokens=lambda wildcards: jobs.tune.trial_tokens(
            wildcards.family, wildcards.recipe, wildcards.train_set
        ),
    output:
        paths.trial("{family}", "{recipe}", "{train_set}", "{rate}"),
    log:
        paths.log("try_rate", "{family}", "{recipe}", "{train_set}", "{rate}"),
    benchmark:
        paths.benchmark("try_rate", "{family}", "{recipe}", "{train_set}", "{rate}")
    wildcard_constraints:
        recipe=jobs.tune.selecting("last"),
        train_set=jobs.datasets,
        rate="[0-9][0-9.e+-]*",
    priority: 10
    conda:
        "../../envs/train.yaml"
    threads: ask.tuning_processes
    resources:
        gpu=ask.tuning_gpus,
        nodes=1,  # else SLURM may take a job's GPUs from several nodes
        runtime=ask.runtime("try_rate"),
        mem_mb=ask.memory("try_rate"),
    params:
        key=lambda wildcards: jobs.tune.trial_key(*wildcards),
        spec=lambda wildcards: jobs.tune.trial_spec(
            wildcards.recipe, wildcards.train_set, wildcards.rate
        ),
    script:
        "../scripts/tune_try_rate.py"


rule choose_rate:
    """Take the candidate rate with the lowest loss, for all checkpoints and seeds."""
    input:
        trials=lambda wildcards: jobs.tune.trials(*wildcards),
    output:
        paths.rate("{family}", "{recipe}", "{train_set}"),
    log:
        paths.log("choose_rate", "{family}", "{recipe}", "{train_set}"),
    benchmark:
        paths.benchmark("choose_rate", "{family}", "{recipe}", "{train_set}")
    wildcard_constraints:
        recipe=jobs.tune.selecting("last"),
        train_set=jobs.datasets,
    localrule: True
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/tune_choose_rate.py"


use rule try_rate as try_rate_at_checkpoint with:
    input:
        checkpoint=paths.checkpoint_file("{family}", "{step}", "manifest.json"),
        tokens=lambda wildcards: jobs.tune.trial_tokens(
            wildcards.family, wildcards.recipe, wildcards.train_set
        ),
    output:
        paths.trial("{family}", "{recipe}", "{train_set}", "{rate}", "{step}"),
    log:
        paths.log(
            "try_rate_at_checkpoint", "{family}", "{recipe}", "{train_set}", "{step}", "{rate}"
        ),
    benchmark:
        paths.benchmark(
            "try_rate_at_checkpoint", "{family}", "{recipe}", "{train_set}", "{step}", "{rate}"
        )
    wildcard_constraints:
        recipe=jobs.tune.selecting("each"),
        train_set=jobs.datasets,
        rate="[0-9][0-9.e+-]*",


use rule choose_rate as choose_rate_at_checkpoint with:
    output:
        paths.rate("{family}", "{recipe}", "{train_set}", "{step}"),
    log:
        paths.log("choose_rate_at_checkpoint", "{family}", "{recipe}", "{train_set}", "{step}"),
    benchmark:
        paths.benchmark(
            "choose_rate_at_checkpoint", "{family}", "{recipe}", "{train_set}", "{step}"
        )
    wildcard_constraints:
        recipe=jobs.tune.selecting("each"),
        train_set=jobs.datasets,


rule tune:
    """Train a variant through the stages of its recipe."""
    input:
        checkpoint=lambda wildcards: paths.checkpoint(jobs.variant(wildcards.variant).checkpoint),
        tokens=lambda wildcards: jobs.tune.train_tokens(jobs.variant(wildcards.variant)),
        rates=lambda wildcards: jobs.tune.chosen_rates(jobs.variant(wildcards.variant)),
    output:
        manifest=paths.variant_file("{variant}", "manifest.json"),
        weights=jobs.tune.kept(directory(paths.variant_file("{variant}", "weights")), temp),
        metrics=paths.variant_file("{variant}", "metrics.json"),
    log:
        paths.log("tune", "{variant}"),
    benchmark:
        paths.benchmark("tune", "{variant}")
    wildcard_constraints:
        variant=jobs.tuned,
    priority: 10
    group:
        "variant"  # tuned and evaluated in one allocation
    conda:
        "../../envs/train.yaml"
    threads: ask.tuning_processes
    resources:
        gpu=ask.tuning_gpus,
        nodes=1,  # else SLURM may take a job's GPUs from several nodes
        runtime=ask.runtime("tune"),
        mem_mb=ask.memory("tune"),
    params:
        spec=lambda wildcards: jobs.tune.tune_spec(jobs.variant(wildcards.variant)),
    script:
        "../scripts/tune_variant.py"
