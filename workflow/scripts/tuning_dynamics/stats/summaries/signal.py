"""Noise between checkpoints and between equal runs, and signal-to-noise ratio.

A row per family, evaluation set and metric of untuned models in format `default`, with one
prediction method and number of shots along the curve.

Noise is the standard deviation of the scores of the last `statistics.last_checkpoints` checkpoints
(10 unless set; as many as there are, at least 3), divided by n as by Heineman et al. (2025, "Signal
and Noise") and in the OLMo ladder (Bhagia et al. 2024). It holds what is learnt between them too:
`share` says how far back they reach, and `sd_detrended` is about a straight line over tokens. Where
a family is another's pre-training done again (`statistics.reruns`), `sd_reruns` is how far equal
runs differ. Signal is how far the families' last scores lie apart, (highest - lowest) / mean,
without reruns; the ratio divides it by `relative_sd`. Families that differ in size differ more than
the models of one size in that paper: compare ratios within a study only.
"""

import pandas as pd

from tuning_dynamics.stats.signal import signal_rows
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    family: str
    """as in `scores.csv`"""
    eval_set: str
    """as in `scores.csv`"""
    metric: str
    """as in `scores.csv`"""
    prediction: str
    """as in `scores.csv`"""
    shots: int
    """as in `scores.csv`"""
    checkpoints: int
    """the last checkpoints that noise is over"""
    first: str
    """label of the earliest of them"""
    share: float
    """its tokens over those of the last checkpoint"""
    score: float
    """mean score of these checkpoints"""
    sd_last: float
    """population standard deviation of their scores; empty for fewer than 3"""
    relative_sd: float
    """`sd_last` over `score`: the noise"""
    sd_detrended: float
    """standard deviation about the straight line over tokens (n - 2)"""
    reruns: int
    """families that repeat this one's pre-training"""
    rerun_checkpoints: int
    """last checkpoints that it and all of them have, at most `statistics.last_checkpoints`"""
    sd_reruns: float
    """standard deviation between the runs (n - 1), root mean square over these checkpoints"""
    families: int
    """families that the signal is over, without reruns"""
    signal: float
    """highest less lowest score of their last checkpoints, over the mean"""
    snr: float
    """signal-to-noise ratio: `signal` over `relative_sd`"""
    reason: str
    """why noise, signal or ratio are empty"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    return signal_rows(tables["seed_means"], last=asked.last_checkpoints, reruns=asked.reruns)
