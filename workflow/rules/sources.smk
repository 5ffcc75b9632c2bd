"""Sources: what a study's cells were made from, and the tables from their records.

Inputs: manifests of checkpoints and of datasets, chosen learning rates, tuned models' losses on
the fixed text, the cells' per-item records. Outputs, in results/{study}/tables/: checkpoints.csv
(revisions, digests, and which losses do not fit their place), rates.csv (candidate learning rates
and their losses), text_losses.csv (losses of tuned models on the fixed text), datasets.csv
(sources, commits, counts, digests), and the tables made from records: scores, changes, unpaired,
seed_means, halves, sensitivity, measures, item_changes, seed_agreement.
"""


rule checkpoints:
    """List checkpoints, those that do not fit, chosen learning rates, and tuned models' losses."""
    input:
        manifests=lambda wildcards: jobs.checkpoints.checkpoint_files(),
        rates=lambda wildcards: jobs.tune.rate_files(),
        losses=lambda wildcards: jobs.evaluate.text_loss_files(jobs.grid.tuned),
    output:
        csv=[shown.table(name) for name in tables_of("checkpoints")],
        parquet=[paths.parquet(name) for name in tables_of("checkpoints")],
    log:
        paths.log("checkpoints", "all"),
    benchmark:
        paths.benchmark("checkpoints", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.stats.curve_spec(),
        choices=lambda wildcards: jobs.stats.rate_choices(),
    script:
        "../scripts/stats_checkpoints.py"


rule datasets:
    """List the source of each used split, and the rows left out of it."""
    input:
        config=paths.config,
        files=lambda wildcards: jobs.stats.dataset_files(),
        overlaps=paths.table("overlaps"),
    output:
        csv=shown.table("datasets"),
        parquet=paths.parquet("datasets"),
    log:
        paths.log("datasets", "all"),
    benchmark:
        paths.benchmark("datasets", "all")
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/stats_datasets.py"


rule scores:
    """Compute scores, changes, means over seeds, spreads and measures in one pass."""
    input:
        config=paths.config,
        cells=lambda wildcards: jobs.evaluate.cell_files(),
        overlaps=paths.table("overlaps"),
        options=lambda wildcards: jobs.stats.option_files(),
    output:
        csv=[shown.table(name) for name in tables_of("scores")],
        parquet=[paths.parquet(name) for name in tables_of("scores")],
    log:
        paths.log("scores", "all"),
    benchmark:
        paths.benchmark("scores", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.stats.scores_spec(),
        metrics=lambda wildcards: jobs.stats.metrics(),
    script:
        "../scripts/stats_scores.py"
