"""Rule part: the note that all cells of a part are made."""

from tuning_dynamics.study.files import write_json
from tuning_dynamics.study.job import running

with running(snakemake) as job:
    if job.due:
        write_json(snakemake.output[0], {"cells": len(snakemake.input.cells)})
