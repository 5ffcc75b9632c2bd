"""Evaluate: one job per variant, one file of per-item records per cell.

Inputs: a variant's manifest and frozen items. Outputs: results/{study}/{variant}/cells/
{eval_set}/{format}/{shots}shot/{prediction}.parquet ({shots}shot_draw{draw} for another draw of the
demonstrations: answers and log-likelihoods, or why an input is refused), evaluation.json (seconds,
loads, cells, tokens, memory) and, with evaluate.text_loss, text_loss.json of a tuned variant (its
loss on the fixed text). Variants with the same cells share a rule. A job keeps the cells that are
current, and loads the model only for others. A study too large for one plan is made in parts
(docs/scale.md).
"""

for evaluation in jobs.evaluate.evaluations:

    rule:
        """Make the cells of a variant that are not current."""
        name:
            evaluation
        input:
            manifest=lambda wildcards: paths.manifest(parse_variant(wildcards.variant)),
            weights=lambda wildcards: jobs.tune.tuned_weights(wildcards.variant),
            frozen=jobs.evaluate.evaluated_items(evaluation),
            first=lambda wildcards: jobs.evaluate.text_loss_first(wildcards.variant),
        output:
            jobs.evaluate.cells_pattern(evaluation),
            metrics=paths.variant_file("{variant}", "evaluation.json"),
        log:
            paths.log("evaluate", "{variant}"),
        benchmark:
            paths.benchmark("evaluate", "{variant}")
        wildcard_constraints:
            variant=jobs.evaluate.variants_pattern(evaluation),
        priority: 20  # evaluating a tuned variant soon frees the disk space of its weights
        group:
            "variant"
        conda:
            "../../envs/evaluate.yaml"
        resources:
            gpu=ask.gpu,
            runtime=ask.runtime("evaluate"),
            mem_mb=ask.memory("evaluate"),
        params:
            cells=jobs.evaluate.cells_of(evaluation),
        script:
            "../scripts/evaluate_variant.py"


rule text_loss:
    """Measure a tuned variant's loss on the text on which its checkpoint's is known."""
    input:
        manifest=paths.variant_file("{variant}", "manifest.json"),
        weights=lambda wildcards: jobs.tune.tuned_weights(wildcards.variant),
        heldout=lambda wildcards: jobs.evaluate.heldout(jobs.variant(wildcards.variant).family),
    output:
        paths.variant_file("{variant}", "text_loss.json"),
    log:
        paths.log("text_loss", "{variant}"),
    benchmark:
        paths.benchmark("text_loss", "{variant}")
    wildcard_constraints:
        variant=jobs.tuned,
    priority: 20  # as evaluating: then the weights may be deleted
    group:
        "variant"  # without a GPU: beside the evaluation, it would ask for a second one
    conda:
        "../../envs/evaluate.yaml"
    resources:
        runtime=ask.runtime("text_loss"),
        mem_mb=ask.memory("text_loss"),
    params:
        spec=lambda wildcards: jobs.evaluate.text_loss_spec(jobs.variant(wildcards.variant).family),
    script:
        "../scripts/evaluate_text_loss.py"
