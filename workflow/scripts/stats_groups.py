"""Rule groups: sets learned in pre-training and not, and the change of each group."""

import json
from pathlib import Path

from tuning_dynamics.stats.groups import group_change_rows, group_rows
from tuning_dynamics.stats.tables import read_table, write_table
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    scores, changes = (read_table(Path(path)) for path in snakemake.input)
    groups = group_rows(scores, **json.loads(snakemake.params.alpha))
    write_table(groups, Path(snakemake.output.csv))
    table = group_change_rows(changes, groups, **json.loads(snakemake.params.spec))
    write_table(table, Path(snakemake.output.changes_csv))
