"""Published scores: the tables of a study from published scores, without any model.

Input: the CSV files that the study's key `scores` names. Outputs: results/{study}/tables/ scores,
changes, unpaired, seed_means, sensitivity, checkpoints, datasets, and those that need items
(empty), each as CSV and parquet; all other tables are made from these as in any study.
docs/published.md says what they must hold.
"""

PUBLISHED_TABLES = [*tables_of("scores"), *tables_of("checkpoints"), "datasets", "overlaps"]


rule published_scores:
    """Read published scores, refuse cells that would count twice, compare tuned with base."""
    input:
        tables=list(jobs.stats.published.files),
    output:
        csv=[shown.table(name) for name in PUBLISHED_TABLES],
        parquet=[paths.parquet(name) for name in PUBLISHED_TABLES],
    log:
        paths.log("published_scores", "all"),
    benchmark:
        paths.benchmark("published_scores", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=jobs.stats.published_spec(),
    script:
        "../scripts/stats_published.py"
