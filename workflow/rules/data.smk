"""Data: freeze every dataset that the study names, and check it with each family's tokenizer.

Inputs: local files, the hub, or the mini world. Outputs: results/{study}/data/{dataset}/
items.parquet (checked items with stable ids: training, evaluation, demonstrations),
manifest.json (counts, labels, digests), {family}.json (token counts, label tokens).
"""


rule freeze:
    """Read a dataset, refuse what would give a wrong number, choose subsets by seed."""
    input:
        files=lambda wildcards: jobs.data_files(wildcards.dataset),
    output:
        frozen=paths.items("{dataset}"),
        manifest=paths.data_manifest("{dataset}"),
    log:
        paths.log("freeze", "{dataset}"),
    benchmark:
        paths.benchmark("freeze", "{dataset}")
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.freeze_spec(wildcards.dataset),
        code=code("data_freeze.py"),
    script:
        "../scripts/data_freeze.py"


rule check:
    """Count a dataset's tokens, and refuse labels that its first tokens cannot tell apart."""
    input:
        frozen=paths.items("{dataset}"),
        checkpoint=lambda wildcards: paths.checkpoint(jobs.first_checkpoint(wildcards.family)),
    output:
        paths.check("{dataset}", "{family}"),
    log:
        paths.log("check", "{dataset}", "{family}"),
    benchmark:
        paths.benchmark("check", "{dataset}", "{family}")
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.check_spec(wildcards.dataset, wildcards.family),
        code=code("data_check.py"),
    script:
        "../scripts/data_check.py"
