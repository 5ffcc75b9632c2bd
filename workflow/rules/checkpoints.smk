"""Checkpoints: one manifest per point of a family's pre-training, from three sources.

Inputs: a corpus, local folders, or a hub repository (listed, downloaded, then loaded and checked
like a local folder). Outputs: results/{study}/{family}/{step}/checkpoint/manifest.json (step,
tokens, digests of the weights, loss on a fixed text); for families pre-trained here also the
weights and the optimiser's state.
"""


rule corpus:
    """Train a tokenizer on a family's corpus and encode the corpus once."""
    input:
        files=lambda wildcards: jobs.checkpoints.corpus_files(wildcards.family),
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
    resources:
        runtime=ask.runtime("corpus"),
        mem_mb=ask.memory("corpus"),
    params:
        spec=lambda wildcards: jobs.checkpoints.corpus_spec(wildcards.family),
    script:
        "../scripts/checkpoints_corpus.py"


rule pretrain:
    """Pre-train from the previous checkpoint (or from initialisation) to this one.

    One segment of the run per job: early checkpoints are tuned while later ones still train.
    """
    input:
        tokenizer=paths.corpus("{family}", "tokenizer.json"),
        tokens=paths.corpus("{family}", "tokens.npy"),
        heldout=paths.corpus("{family}", "heldout.json"),
        previous=lambda wildcards: jobs.checkpoints.previous_states(
            wildcards.family, int(wildcards.step)
        ),
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
    priority: 100  # all other jobs wait for the last checkpoint
    conda:
        "../../envs/train.yaml"
    resources:
        gpu=ask.gpu,
        runtime=ask.runtime("pretrain"),
        mem_mb=ask.memory("pretrain"),
    params:
        spec=lambda wildcards: jobs.checkpoints.family_spec(wildcards.family),
    script:
        "../scripts/checkpoints_pretrain.py"


rule revisions:
    """List a hub family's revisions, and the digests of their weight files, on request."""
    output:
        paths.revisions("{family}"),
    log:
        paths.log("revisions", "{family}"),
    benchmark:
        paths.benchmark("revisions", "{family}")
    wildcard_constraints:
        family=jobs.families("hub"),
    localrule: True  # needs the network, which compute nodes rarely have
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.checkpoints.revisions_spec(wildcards.family),
    script:
        "../scripts/checkpoints_revisions.py"


rule download:
    """Fetch the files needed of one revision, and compare them with the hub's digests."""
    output:
        paths.checkpoint_file("{family}", "{step}", "download.json"),
    log:
        paths.log("download", "{family}", "{step}"),
    benchmark:
        paths.benchmark("download", "{family}", "{step}")
    wildcard_constraints:
        family=jobs.families("hub"),
    localrule: True  # needs the network, which compute nodes rarely have
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.checkpoints.checkpoint_spec(
            wildcards.family, int(wildcards.step)
        ),
        others=lambda wildcards: jobs.checkpoints.wanted_steps(wildcards.family),
    script:
        "../scripts/checkpoints_download.py"


rule tokenizer:
    """Fetch the tokenizer of a hub family's final revision, which encodes data for all of them."""
    output:
        paths.tokenizer("{family}"),
    log:
        paths.log("tokenizer", "{family}"),
    benchmark:
        paths.benchmark("tokenizer", "{family}")
    wildcard_constraints:
        family=jobs.families("hub"),
    localrule: True  # needs the network, which compute nodes rarely have
    conda:
        "../../envs/data.yaml"
    params:
        spec=lambda wildcards: jobs.checkpoints.tokenizer_spec(wildcards.family),
    script:
        "../scripts/checkpoints_tokenizer.py"


rule verify:
    """Load an existing checkpoint, and refuse it if it would be another model."""
    input:
        downloaded=lambda wildcards: jobs.checkpoints.downloaded(wildcards.family, wildcards.step),
        files=lambda wildcards: jobs.checkpoints.local_files(wildcards.family, int(wildcards.step)),
    output:
        manifest=paths.checkpoint_file("{family}", "{step}", "manifest.json"),
    log:
        paths.log("verify", "{family}", "{step}"),
    benchmark:
        paths.benchmark("verify", "{family}", "{step}")
    wildcard_constraints:
        family=jobs.families("hub", "local"),
    conda:
        "../../envs/train.yaml"
    resources:
        runtime=ask.runtime("verify"),
        mem_mb=ask.memory("verify"),
    params:
        spec=lambda wildcards: jobs.checkpoints.checkpoint_spec(
            wildcards.family, int(wildcards.step)
        ),
    script:
        "../scripts/checkpoints_verify.py"
