"""Rule check: a dataset through a family's tokenizer."""

import json

from tuning_dynamics.data.check import check_dataset
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    check_dataset(
        snakemake.wildcards.dataset,
        items_path=snakemake.input.frozen,
        checkpoint=snakemake.input.checkpoint,
        **json.loads(snakemake.params.spec),
        output=snakemake.output[0],
    )
