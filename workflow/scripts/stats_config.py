"""Rule merged_config: the study with all that it names, beside its results."""

import json

from tuning_dynamics.study.files import whole_file
from tuning_dynamics.study.job import running
from tuning_dynamics.study.load import dump_merged

with running(snakemake) as job:
    if job.due:
        text = dump_merged(json.loads(snakemake.params.spec))
        with whole_file(snakemake.output[0]) as temporary:
            temporary.write_text(text, encoding="utf-8")
