"""Tune: one set of weights per checkpoint, recipe, train set and seed.

Inputs: a checkpoint's manifest and the train sets' frozen items. Outputs:
results/{study}/{family}/{step}/{recipe}/{train_set}/seed{seed}/ manifest.json (digests), weights
(or a LoRA adapter), metrics.json (tokens, speed, memory, loss curve). A run that is killed
continues from its state under scratch/, which no rule declares, so nothing deletes it.
"""


rule tune:
    """Train a variant through the stages of its recipe."""
    input:
        checkpoint=lambda wildcards: paths.checkpoint(jobs.variant(wildcards.variant).checkpoint),
        sets=lambda wildcards: jobs.train_items(wildcards.variant),
    output:
        manifest=paths.variant_file("{variant}", "manifest.json"),
        weights=jobs.kept(directory, temp, paths.variant_file("{variant}", "weights")),
        metrics=paths.variant_file("{variant}", "metrics.json"),
    log:
        paths.log("tune", "{variant}"),
    benchmark:
        paths.benchmark("tune", "{variant}")
    wildcard_constraints:
        variant=jobs.tuned,
    priority: 10
    conda:
        "../../envs/train.yaml"
    params:
        spec=lambda wildcards: jobs.tune_spec(jobs.variant(wildcards.variant)),
        code=code("tune_variant.py"),
    script:
        "../scripts/tune_variant.py"
