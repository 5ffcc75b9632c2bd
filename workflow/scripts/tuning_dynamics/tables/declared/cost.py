"""What each job took.

One row per job, but for this table and the report, which are made last; a variant's evaluation is
one job, with all of its cells. A job that left no record has no row.
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
    """what it worked on; begins with the rule where a stage has several"""
    planned_seconds: float
    """likely seconds by the cost model when the table was made, an evaluation's with all cells of
    its variant; empty for a job that it cannot price ([cost.md](cost.md))"""
    seconds: float
    """wall time with the start of the process, as Snakemake measured it; for a job that was killed
    and went on, at least the time it trained in all; of an evaluation, the sum over all runs that
    made some of its cells"""
    gpu: str
    """name of the GPU; empty without one; `devices` in a job's metrics.json says how many shared
    its model"""
    peak_memory_mb: float
    """peak memory in MB: of the GPU where there is one, else resident; the largest where several
    share a model"""
    tokens: int
    """tokens processed"""
    tokens_per_second: float
    """speed"""
    mfu: float
    """of training: the share of the device's peak FLOP/s that the model's own mathematics took
    (`engine/flops.py`: PaLM's model FLOPs utilisation, without masked pairs and with the head where
    a target is counted); empty where the peak is unknown, layers see a window or keep a state, or
    weights are experts"""
