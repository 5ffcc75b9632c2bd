"""Rule merged_config: the study with all that it names, beside its results."""

from tuning_dynamics.study.files import whole_file
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        with whole_file(snakemake.output[0]) as temporary:
            temporary.write_text(snakemake.params.text, encoding="utf-8")
