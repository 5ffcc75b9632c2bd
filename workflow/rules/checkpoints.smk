"""Checkpoints: one manifest for each point of a family's pre-training, from three sources.

Inputs: a corpus, local folders, or a hub repository. Outputs:
results/{study}/{family}/{step}/checkpoint/manifest.json (step, tokens, digests of the weights,
loss on a fixed text); for families pre-trained here also the weights and the optimiser's state.
"""


rule corpus:
    """Train a tokenizer on a family's corpus and encode the corpus once."""
    input:
        files=lambda wildcards: jobs.corpus_files(wildcards.family),
    output:
        tokenizer=paths.corpus("{family}", "tokenizer.json"),
        tokens=paths.corpus("{family}", "tokens.npy"),
        heldout=paths.corpus("{family}", "heldout.json"),
    log:
        paths.log("corpus", "{family}"),
    benchmark:
        paths.benchmark("corpus", "{family}")
    wildcard_constraints:
        family=jobs.families("pretrain"),
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.corpus_spec(wildcards.family),
        code=code("checkpoints_corpus.py"),
    script:
        "../scripts/checkpoints_corpus.py"


rule pretrain:
    """Pre-train from the checkpoint before (or from initialisation) to this one.

    A segment of the run per job: early checkpoints are tuned while later ones still train.
    """
    input:
        tokenizer=paths.corpus("{family}", "tokenizer.json"),
        tokens=paths.corpus("{family}", "tokens.npy"),
        heldout=paths.corpus("{family}", "heldout.json"),
        previous=lambda wildcards: jobs.previous_states(wildcards.family, int(wildcards.step)),
    output:
        manifest=paths.checkpoint_file("{family}", "{step}", "manifest.json"),
        weights=directory(paths.checkpoint_file("{family}", "{step}", "weights")),
        state=paths.checkpoint_file("{family}", "{step}", "state.pt"),
        metrics=paths.checkpoint_file("{family}", "{step}", "metrics.json"),
    log:
        paths.log("pretrain", "{family}", "{step}"),
    benchmark:
        paths.benchmark("pretrain", "{family}", "{step}")
    wildcard_constraints:
        family=jobs.families("pretrain"),
    priority: 100  # everything waits for the last checkpoint
    conda:
        "../../envs/train.yaml"
    params:
        spec=lambda wildcards: jobs.family_spec(wildcards.family),
        code=code("checkpoints_pretrain.py"),
    script:
        "../scripts/checkpoints_pretrain.py"


rule import_local:
    """Check a checkpoint in a local folder; its weights stay where they are."""
    output:
        manifest=paths.checkpoint_file("{family}", "{step}", "manifest.json"),
    log:
        paths.log("import_local", "{family}", "{step}"),
    benchmark:
        paths.benchmark("import_local", "{family}", "{step}")
    wildcard_constraints:
        family=jobs.families("local"),
    conda:
        "../../envs/train.yaml"
    params:
        spec=lambda wildcards: jobs.family_spec(wildcards.family),
        code=code("checkpoints_local.py"),
    script:
        "../scripts/checkpoints_local.py"


rule download:
    """Download and check a revision of a hub repository."""
    output:
        manifest=paths.checkpoint_file("{family}", "{step}", "manifest.json"),
    log:
        paths.log("download", "{family}", "{step}"),
    benchmark:
        paths.benchmark("download", "{family}", "{step}")
    wildcard_constraints:
        family=jobs.families("hub"),
    conda:
        "../../envs/train.yaml"
    params:
        spec=lambda wildcards: jobs.family_spec(wildcards.family),
        code=code("checkpoints_hub.py"),
    script:
        "../scripts/checkpoints_hub.py"
