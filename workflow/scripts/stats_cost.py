"""Rule cost: what every job took."""

from pathlib import Path

from tuning_dynamics.stats.cost import cost_rows
from tuning_dynamics.stats.tables import write_table
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    # A record that a job left undeclared is there unless the job was killed before its end.
    servers = [Path(path) for path in snakemake.params.servers if Path(path).is_file()]
    timed = {k: Path(p) for k, p in snakemake.params.benchmarks.items() if Path(p).is_file()}
    metrics = [Path(path) for path in snakemake.input.metrics]
    write_table(cost_rows([*metrics, *servers], timed), Path(snakemake.output.csv))
