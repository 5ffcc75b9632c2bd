"""Rule corpus: a family's tokenizer and its corpus as token ids."""

import json

from tuning_dynamics.checkpoints.corpus import prepare_corpus
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        prepare_corpus(
            snakemake.wildcards.family,
            **json.loads(snakemake.params.spec),
            files=snakemake.input.get("files", []),
            **{f"{name}_path": path for name, path in snakemake.output.items()},
        )
