"""Rule merged_config: the study with all files that it names, in its folder of results."""

import json

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.config.load import dump_merged
from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        text = dump_merged(json.loads(snakemake.params.spec))
        with whole_file(snakemake.output[0]) as temporary:
            temporary.write_text(text, encoding="utf-8")
