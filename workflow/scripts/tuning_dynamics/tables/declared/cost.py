"""What each job took.

One row per job, except this table's and the report's, which are made last; a variant's evaluation
is one job, with all of its cells. A job that left no record has no row.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "cost"


class Row(Columns):
    """A row."""

    stage: str
    """`download`, `pretrain`, `verify`, `data`, `rate`, `tune`, `evaluate`, `statistics` or
    `report`"""
    job: str
    """what it worked on; begins with the rule if a stage has several"""
    planned_seconds: float
    """likely seconds by the cost model when the table was made, for an evaluation with all cells of
    its variant; empty for a job that it cannot price ([cost.md](cost.md))"""
    seconds: float
    """wall time with the start of the process, as Snakemake measured it; for a job that was killed
    and continued, at least its total training time; for an evaluation, the sum over all runs that
    made some of its cells"""
    gpu: str
    """name of the GPU; empty without one; `devices` in a job's metrics.json says how many shared
    its model"""
    peak_memory_mb: float
    """peak memory in MB: of the GPU if there is one, else resident; the largest if several share a
    model"""
    tokens: int
    """tokens processed"""
    tokens_per_second: float
    """speed"""
    mfu: float
    """for training: the share of the device's peak FLOP/s used by the model's own computation
    (`engine/flops.py`: PaLM's model FLOPs utilisation, without masked pairs and with the head where
    a target is counted); empty if the peak is unknown, or if the model has windowed or recurrent
    layers or experts"""
