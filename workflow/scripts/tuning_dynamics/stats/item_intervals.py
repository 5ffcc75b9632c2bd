"""Intervals over items: of scores, of shares of right answers, and of differences of these.

Scores between 0 and 1 (ROUGE-L) have the bootstrap's intervals. Right and wrong answers, which are
0 or 1, have intervals of shares (`binomial`); their paired differences have Bonett and Price's
(2012, Journal of Educational and Behavioral Statistics 37:479), which count one more item that gets
better and one that gets worse. Neither is ever without width.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tuning_dynamics.stats.binomial import jeffreys, share_interval
from tuning_dynamics.stats.bootstrap import Estimates, Floats
from tuning_dynamics.stats.components import normal_quantile

Flags = NDArray[np.bool_]


def of_shares(found: Estimates, binary: Flags, sizes: Floats, level: float) -> Estimates:
    """The estimates, with intervals of shares for cells that are `binary`, (cells,).

    `sizes` are the units' numbers of items. Items that share contexts count as fewer, by the design
    effect; if all of them agree, as many as there are contexts. A standard error of 0, where all
    items agree, becomes that of one half item more of each kind.
    """
    low, high, se = found.low.copy(), found.high.copy(), found.se.copy()
    units, items = len(sizes), int(sizes.sum())
    agree = binary & (found.se == 0)
    apart = binary & (agree | (units == items))
    counted = units
    right = np.rint(found.value[apart] * counted).astype(np.int64)
    low[apart], high[apart] = share_interval(right, counted, level)
    shared = binary & ~apart
    reach = float(stdtrit(units - 1, (1 + level) / 2)) / normal_quantile(level)
    effective = effective_items(found.value[shared], found.se[shared] * reach)
    low[shared], high[shared] = jeffreys(found.value[shared], effective, level)
    half = 0.5 / (counted + 1)
    se[agree] = np.sqrt(half * (1 - half) / counted)
    return replace(found, se=se, low=low, high=high)


def effective_items(share: Floats, error: Floats) -> Floats:
    """How many independent items give a share this standard error."""
    return np.asarray(share * (1 - share) / error**2)


def of_differences(
    found: Estimates, binary: Flags, sizes: Floats, replicates: Floats, level: float
) -> Estimates:
    """The estimates, with Bonett and Price's intervals for differences of `binary` cells, (cells,).

    `replicates` is over how many cells each difference is a mean, by which the two added items
    differ less. The standard error is that with the added items, so that it is never 0. With
    contexts, an interval has Student's t with contexts - 1 degrees of freedom.
    """
    units, items = len(sizes), float(sizes.sum())
    added = items + 2
    value = found.value[binary] * items / added
    more = 2 * (1 + found.value[binary] * value) / replicates[binary]
    se = np.sqrt((items * found.se[binary]) ** 2 + more) / added
    alone = units == items
    reach = normal_quantile(level) if alone else float(stdtrit(units - 1, (1 + level) / 2))
    errors, low, high = found.se.copy(), found.low.copy(), found.high.copy()
    errors[binary] = se
    low[binary] = np.maximum(value - reach * se, -1.0)
    high[binary] = np.minimum(value + reach * se, 1.0)
    return replace(found, se=errors, low=low, high=high)
