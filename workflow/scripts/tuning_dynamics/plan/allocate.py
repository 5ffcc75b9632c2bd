"""What each job asks of a cluster. (To be replaced by the cost model's.)"""

from collections.abc import Callable
from typing import Any

from tuning_dynamics.study.jobs import Jobs


class Allocation:
    """Constants for now."""

    def __init__(self, jobs: Jobs) -> None:
        self.gpu = 0 if jobs.resolved.study.execution.device == "cpu" else 1

    def runtime(self, rule: str) -> Callable[[Any, int], int]:
        """Minutes."""
        return lambda wildcards, attempt: 30 * attempt

    def memory(self, rule: str) -> Callable[[Any, int], int]:
        """MB."""
        return lambda wildcards, attempt: 2000 * attempt
