"""Standard errors of cells, and of means over cells that share items."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]


def errors_of(low: pd.Series, high: pd.Series, level: float) -> Floats:
    """The standard error that an interval of this level implies; NaN if it is empty."""
    width = high.to_numpy(dtype=float) - low.to_numpy(dtype=float)
    return np.asarray(width / (2 * norm.ppf((1 + level) / 2)))


def error_of_mean(cells: pd.DataFrame) -> float:
    """Standard error of the mean of cells with the columns `eval_set` and `error`.

    Errors of one evaluation set's cells, which share its items, add up; those of different sets
    add up in squares. NaN if any is unknown.
    """
    sets, names = pd.factorize(cells["eval_set"])
    by_set = np.bincount(sets, weights=cells["error"], minlength=len(names))
    return float(np.sqrt((by_set**2).sum()) / len(cells))
