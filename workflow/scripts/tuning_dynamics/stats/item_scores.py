"""Scores of a cell's items with its metric."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.metrics import METRICS, require_metric


def item_scores(
    metric: str, predictions: Sequence[str], golds: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Scores (items,) of predictions, given the right answers of each.

    StudyError if METRICS has no such metric, or the metric gives a score outside [0, 1].
    """
    require_metric(metric)
    scores = np.array(METRICS[metric].scores(predictions, golds), dtype=float)
    # Comparisons are false for NaN, so a missing score is caught here too.
    bad = np.flatnonzero(~((scores >= 0.0) & (scores <= 1.0)))
    if bad.size:
        first = int(bad[0])
        raise StudyError(
            f"metric '{metric}' gives {bad.size} scores outside [0, 1], first {scores[first]}",
            key="prediction, gold",
            value=[predictions[first], *golds[first]],
            fix=f"correct stats/metrics/{metric}.py",
        )
    return scores
