"""Rule scores: mean score of every cell with its interval."""

import json
from pathlib import Path

from tuning_dynamics.stats.scores import score_rows
from tuning_dynamics.stats.tables import write_table
from tuning_dynamics.study.cells import cell_rows
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    rows = cell_rows(snakemake.input.config)
    write_table(score_rows(rows, **json.loads(snakemake.params.spec)), Path(snakemake.output.csv))
