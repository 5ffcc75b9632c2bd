"""Intervals from several components of variance, some of which are estimated from few values.

A mean over seeds and items, or over train sets and evaluation sets, varies for several reasons at
once. Each is estimated from its own number of values, so that no one Student's t fits their sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from tuning_dynamics.common.power import SHARE_POWER

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Component:
    """Variances that one source adds, and their degrees of freedom; both of the same shape."""

    variance: Floats
    freedom: Floats


def normal_quantile(level: float) -> float:
    """How many standard errors an interval of this level reaches if they are known."""
    return float(ndtri((1 + level) / 2))


def beyond_normal(total: Floats, components: Sequence[Component], level: float) -> Floats:
    """How much further than the normal quantile z an interval reaches, in standard errors.

    The sum over components of (t - z) times the component's share of the variance `total` to the
    power of 1.25, t being Student's quantile for its degrees of freedom. 0 where nothing varies.
    """
    reach: Floats = np.zeros(total.shape)
    for component in components:
        part: Floats = np.zeros(total.shape)
        np.divide(component.variance, total, out=part, where=total > 0)
        student = stdtrit(component.freedom, (1 + level) / 2)
        reach += (student - normal_quantile(level)) * part**SHARE_POWER
    return reach
