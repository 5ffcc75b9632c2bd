"""Sources: what a study's cells were made from, and what they say.

Inputs: manifests of checkpoints and of datasets, the cells' per-item records. Outputs, in
results/{study}/tables/: checkpoints.csv (revisions, digests, and which loss does not fit its
place), datasets.csv (sources, commits, counts, digests), scores.csv, changes.csv, sensitivity.csv.
"""


rule checkpoints:
    """What the checkpoints are, and which do not fit the curve of their family's loss."""
    input:
        manifests=lambda wildcards: jobs.checkpoint_files(),
    output:
        csv=shown.table("checkpoints"),
        parquet=paths.parquet("checkpoints"),
    log:
        paths.log("checkpoints", "all"),
    benchmark:
        paths.benchmark("checkpoints", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.curve_spec(),
        code=code("stats_checkpoints.py"),
    script:
        "../scripts/stats_checkpoints.py"


rule datasets:
    """Where each split that is used comes from, and what was left out of it."""
    input:
        config=paths.config,
        files=lambda wildcards: jobs.dataset_files(),
    output:
        csv=shown.table("datasets"),
        parquet=paths.parquet("datasets"),
    log:
        paths.log("datasets", "all"),
    benchmark:
        paths.benchmark("datasets", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        code=code("stats_datasets.py"),
    script:
        "../scripts/stats_datasets.py"


rule scores:
    """Mean score of every cell with its bootstrap interval."""
    input:
        config=paths.config,
        cells=lambda wildcards: jobs.cell_files(),
    output:
        csv=shown.table("scores"),
        parquet=paths.parquet("scores"),
    log:
        paths.log("scores", "all"),
    benchmark:
        paths.benchmark("scores", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("resamples", "level", "seed"),
        code=code("stats_scores.py"),
    script:
        "../scripts/stats_scores.py"


rule changes:
    """Tuned against base, paired over items."""
    input:
        config=paths.config,
        cells=lambda wildcards: jobs.cell_files(),
    output:
        csv=shown.table("changes"),
        parquet=paths.parquet("changes"),
    log:
        paths.log("changes", "all"),
    benchmark:
        paths.benchmark("changes", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("resamples", "level", "seed"),
        code=code("stats_changes.py"),
    script:
        "../scripts/stats_changes.py"


rule sensitivity:
    """Spread of scores over prompt formats."""
    input:
        config=paths.config,
        cells=lambda wildcards: jobs.cell_files(),
    output:
        csv=shown.table("sensitivity"),
        parquet=paths.parquet("sensitivity"),
    log:
        paths.log("sensitivity", "all"),
    benchmark:
        paths.benchmark("sensitivity", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("resamples", "level", "seed"),
        code=code("stats_sensitivity.py"),
    script:
        "../scripts/stats_sensitivity.py"
