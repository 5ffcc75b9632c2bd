"""Data: freeze every dataset, and encode train sets with the tokenizer of each family.

Inputs: local files, the hub, or the mini world. Outputs: results/{study}/data/{dataset}/
items.parquet (checked items with stable ids: training, evaluation, demonstrations),
manifest.json (counts, labels, digests, or why the set is refused),
draws/{draw}.parquet (its demonstrations in another order),
tables/overlaps.csv (evaluated items that stand in training rows or demonstrations),
tokens/{family}/{format}.arrow (training rows as token ids, which the loss counts) with .json.
"""

if jobs.data.reads_hub:

    # On the machine that runs Snakemake: compute nodes rarely have a network.
    localrules:
        freeze,


rule freeze:
    """Read a dataset, refuse input that would give a wrong number, choose subsets by seed."""
    input:
        files=lambda wildcards: jobs.data.data_files(wildcards.dataset),
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
        spec=lambda wildcards: jobs.data.freeze_spec(wildcards.dataset),
    script:
        "../scripts/data_freeze.py"


rule draw:
    """Put a set's demonstrations in the order of a draw."""
    input:
        frozen=paths.items("{dataset}"),
    output:
        drawn=paths.draw("{dataset}", "{draw}"),
    log:
        paths.log("draw", "{dataset}", "{draw}"),
    benchmark:
        paths.benchmark("draw", "{dataset}", "{draw}")
    wildcard_constraints:
        draw="[1-9][0-9]*",
    localrule: True  # a second of work
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.data.draw_spec(wildcards.dataset, wildcards.draw),
    script:
        "../scripts/data_draw.py"


rule overlaps:
    """Count the evaluated items that stand in training rows and in demonstrations."""
    input:
        frozen=lambda wildcards: jobs.data.compared_files(),
    output:
        csv=shown.table("overlaps"),
        parquet=paths.parquet("overlaps"),
    log:
        paths.log("overlaps", "all"),
    benchmark:
        paths.benchmark("overlaps", "all")
    priority: 30  # what it finds is known early; only tables wait for it
    conda:
        "../../envs/stats.yaml"
    resources:
        runtime=ask.runtime("overlaps"),
        mem_mb=ask.memory("overlaps"),
    params:
        spec=lambda wildcards: jobs.data.overlaps_spec(),
    script:
        "../scripts/data_overlaps.py"


rule encode:
    """Turn a set's training rows into token ids, once for all variants tuned on them."""
    input:
        frozen=paths.items("{dataset}"),
        manifest=lambda wildcards: jobs.checkpoints.tokenizer_manifest(wildcards.family),
        files=lambda wildcards: jobs.checkpoints.tokenizer_files(wildcards.family),
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
        spec=lambda wildcards: jobs.data.encode_spec(
            wildcards.family, wildcards.dataset, wildcards.format
        ),
    script:
        "../scripts/data_encode.py"
