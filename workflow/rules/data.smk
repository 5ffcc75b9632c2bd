"""Data: freeze every dataset, check and encode it with the tokenizer of each family.

Inputs: local files, the hub, or the mini world. Outputs: results/{study}/data/{dataset}/
items.parquet (checked items with stable ids: training, evaluation, demonstrations),
manifest.json (counts, labels, digests), {family}.json (token counts, label tokens),
tokens/{family}/{format}.arrow (training rows as token ids, which the loss counts) with .json.
"""

if jobs.reads_hub:

    # On the machine that runs Snakemake: compute nodes seldom have a network.
    localrules:
        freeze,


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
    resources:
        runtime=ask.runtime("freeze"),
        mem_mb=ask.memory("freeze"),
    params:
        spec=lambda wildcards: jobs.freeze_spec(wildcards.dataset),
        code=code("data_freeze.py"),
    script:
        "../scripts/data_freeze.py"


rule check:
    """Count a dataset's tokens, and refuse labels that its first tokens cannot tell apart."""
    input:
        frozen=paths.items("{dataset}"),
        checkpoint=lambda wildcards: jobs.tokenizer_source(wildcards.family),
    output:
        paths.check("{dataset}", "{family}"),
    log:
        paths.log("check", "{dataset}", "{family}"),
    benchmark:
        paths.benchmark("check", "{dataset}", "{family}")
    wildcard_constraints:
        family=jobs.families("pretrain", "local", "hub"),
    conda:
        "../../envs/data.yaml"
    resources:
        runtime=ask.runtime("check"),
        mem_mb=ask.memory("check"),
    params:
        spec=lambda wildcards: jobs.check_spec(wildcards.dataset, wildcards.family),
        code=code("data_check.py"),
    script:
        "../scripts/data_check.py"


rule encode:
    """Turn a set's training rows into token ids, once for all that is tuned on them."""
    input:
        frozen=paths.items("{dataset}"),
        checkpoint=lambda wildcards: jobs.tokenizer_source(wildcards.family),
    output:
        tokens=paths.tokens("{dataset}", "{family}", "{format}"),
        counts=paths.token_counts("{dataset}", "{family}", "{format}"),
    log:
        paths.log("encode", "{dataset}", "{family}", "{format}"),
    benchmark:
        paths.benchmark("encode", "{dataset}", "{family}", "{format}")
    conda:
        "../../envs/train.yaml"  # for the models' own classes: context, chat template
    resources:
        runtime=ask.runtime("encode"),
        mem_mb=ask.memory("encode"),
    params:
        spec=lambda wildcards: jobs.encode_spec(wildcards.dataset, wildcards.format),
        code=code("data_encode.py"),
    script:
        "../scripts/data_encode.py"
