"""How random numbers are drawn for intervals and tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """Number of resamples, coverage of intervals, seed."""

    resamples: int
    level: float
    seed: int
