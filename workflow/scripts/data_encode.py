"""Rule encode: a train set's rows become token ids."""

import json

from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        from tuning_dynamics.data.tokenize_set import encode_or_refuse

        encode_or_refuse(
            snakemake.wildcards.dataset,
            **json.loads(snakemake.params.spec),
            **dict(snakemake.input.items()),
            **dict(snakemake.output.items()),
        )
