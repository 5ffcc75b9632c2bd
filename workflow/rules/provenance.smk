"""Provenance: what a study was made from.

Inputs: manifests of checkpoints and of datasets. Outputs: results/{study}/config.yaml (the study
with all that it names) and, in results/{study}/tables/, checkpoints.csv (revisions, digests, and
which loss does not fit its place) and datasets.csv (sources, commits, counts, digests).
"""


rule merged_config:
    """Write the study with all that it names, defaults included, beside its results."""
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
        text=lambda wildcards: jobs.merged_config(),
    script:
        "../scripts/stats_config.py"


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
