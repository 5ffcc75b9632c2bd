"""Statistics: every table is a pure function of the cells' per-item records.

Inputs: the merged config (which cells there are) and their records, or other tables. Outputs:
results/{study}/tables/*.csv, each with the same table as parquet beside it; docs/tables.md
describes every column.
"""


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


rule transfer:
    """Mean change by kind of train set and of evaluation set."""
    input:
        config=paths.config,
        changes=paths.table("changes"),
    output:
        csv=shown.table("transfer"),
        parquet=paths.parquet("transfer"),
    log:
        paths.log("transfer", "all"),
    benchmark:
        paths.benchmark("transfer", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("resamples", "level", "seed", "recipe"),
        code=code("stats_transfer.py"),
    script:
        "../scripts/stats_transfer.py"


rule groups:
    """Which sets are learned in pre-training, and what tuning changes in each group."""
    input:
        scores=paths.table("scores"),
        changes=paths.table("changes"),
    output:
        csv=shown.table("groups"),
        parquet=paths.parquet("groups"),
        changes_csv=shown.table("group_changes"),
        changes_parquet=paths.parquet("group_changes"),
    log:
        paths.log("groups", "all"),
    benchmark:
        paths.benchmark("groups", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("resamples", "level", "seed", "recipe"),
        alpha=lambda wildcards: jobs.statistics_spec("alpha"),
        code=code("stats_groups.py"),
    script:
        "../scripts/stats_groups.py"


rule noise:
    """What differs between seeds and between near-identical checkpoints: the noise floor."""
    input:
        scores=paths.table("scores"),
    output:
        csv=shown.table("noise"),
        parquet=paths.parquet("noise"),
    log:
        paths.log("noise", "all"),
    benchmark:
        paths.benchmark("noise", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        code=code("stats_noise.py"),
    script:
        "../scripts/stats_noise.py"


rule cost:
    """What every job took: seconds, memory, tokens, utilisation, and what was planned."""
    input:
        metrics=lambda wildcards: jobs.metrics_files(),
        # What else jobs leave of their cost is no output of theirs; it is complete by then.
        tables=[paths.table(name) for name in paths.tables if name != "cost"],
        figures=lambda wildcards: jobs.figure_files(),
    output:
        csv=shown.table("cost"),
        parquet=paths.parquet("cost"),
    log:
        paths.log("cost", "all"),
    benchmark:
        paths.benchmark("cost", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        code=code("stats_cost.py"),
    script:
        "../scripts/stats_cost.py"
