"""Metrics: a module each, whose `scores` gives each item's score in [0, 1].

`scores` gets the answers and, for each, one or more right answers.
"""

from types import ModuleType

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.registry import Kinds, Modules

#: The metrics that a dataset may name.
METRICS: Kinds[str, ModuleType] = Modules("tuning_dynamics.stats.metrics")


def require_metric(metric: str, file: str | None = None) -> None:
    """StudyError if there is no such metric."""
    if metric not in METRICS:
        raise StudyError(
            f"there is no metric '{metric}'",
            file=file,
            key="metric",
            value=metric,
            fix=f"use one of {', '.join(METRICS)}, or add stats/metrics/{metric}.py",
        )
