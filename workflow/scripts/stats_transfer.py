"""Rule transfer: mean change by kind of train set and of evaluation set."""

import json
from pathlib import Path

from tuning_dynamics.stats.tables import read_table, write_table
from tuning_dynamics.stats.transfer import transfer_rows
from tuning_dynamics.study.cells import dataset_kinds
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    kinds = dataset_kinds(snakemake.input.config)
    changes = read_table(Path(snakemake.input.changes))
    table = transfer_rows(changes, kinds, **json.loads(snakemake.params.spec))
    write_table(table, Path(snakemake.output.csv))
