"""Statistics: every table is a pure function of the cells' per-item records.

Inputs: the merged config (which cells there are) and their records, or other tables. Outputs:
results/{study}/tables/*.csv, each with the same table as parquet; docs/tables.md describes
every column. And results/{study}/config.yaml, the study with all files that it names.
"""


rule merged_config:
    """Write the study with all files that it names, defaults included, next to its results."""
    output:
        paths.config,
    log:
        paths.log("merged_config", "all"),
    benchmark:
        paths.benchmark("merged_config", "all")
    localrule: True
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.stats.merged_config(),
    script:
        "../scripts/stats_config.py"


rule summaries:
    """Summarise the scores: transfer, groups, turning points, trends, noise."""
    input:
        scores=paths.table("scores"),
        changes=paths.table("changes"),
        seed_means=paths.table("seed_means"),
        halves=paths.table("halves"),
        sensitivity=paths.table("sensitivity"),
        unpaired=paths.table("unpaired"),
        datasets=paths.table("datasets"),
    output:
        csv=[shown.table(name) for name in tables_of("summaries")],
        parquet=[paths.parquet(name) for name in tables_of("summaries")],
    log:
        paths.log("summaries", "all"),
    benchmark:
        paths.benchmark("summaries", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.stats.summaries_spec(),
        tables=json.dumps(tables_of("summaries")),
    script:
        "../scripts/stats_summaries.py"


rule findings:
    """State for each finding what this study's tables say, or that there is no verdict."""
    input:
        scores=paths.table("scores"),
        changes=paths.table("changes"),
        seed_means=paths.table("seed_means"),
        halves=paths.table("halves"),
        sensitivity=paths.table("sensitivity"),
        unpaired=paths.table("unpaired"),
        datasets=paths.table("datasets"),
        summaries=[paths.table(name) for name in tables_of("summaries")],
    output:
        csv=shown.table("findings"),
        parquet=paths.parquet("findings"),
    log:
        paths.log("findings", "all"),
    benchmark:
        paths.benchmark("findings", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.stats.summaries_spec(),
    script:
        "../scripts/stats_findings.py"


rule cost:
    """Tabulate the cost of every job: seconds, memory, tokens, utilisation, and the plan."""
    input:
        metrics=lambda wildcards: jobs.stats.metrics_files(),
        # Benchmarks of jobs are not outputs; they are complete by then.
        tables=[paths.table(name) for name in all_tables() if name != "cost"],
        figures=lambda wildcards: jobs.report.figure_files(),
    output:
        csv=shown.table("cost"),
        parquet=paths.parquet("cost"),
    log:
        paths.log("cost", "all"),
    benchmark:
        paths.benchmark("cost", "all")
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/stats_cost.py"
