"""By what a curve over checkpoints is judged: by its scores, or by the probability of the right
option (`measures.csv`).

Accuracy asks of each item only which option is first, so that it hardly moves while a model that
guesses comes to prefer the right option by a little. The probability does move. But it also varies
with how sure a checkpoint is of all its answers, and accuracy does not. A curve's slope must not
decide between them: the larger of two rises is too often a rise by chance.

So what decides is how far the base model stands above chance on average over the checkpoints, in
units of a measure's noise: the error over items, or the scatter between checkpoints if that is
larger. Where that is more by CLEARLY for the probability, a set is judged by it, and else by the
score. Both measures are 1 over the number of options at chance, and 1 at best. Average and scatter
say nothing of a slope: a curve read backwards has the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.stats.option_measures import PROBABILITY as PROBABILITY

SCORE = "score"

#: How many times as far above chance the probability must be. From 1 on it sees more rises. But
#: where checkpoints differ a little in how sure they are, 1 also lets it see a rise where there is
#: none in 9 % of curves, and this in 6 % (benchmarks/curve_measures.py).
CLEARLY = 1.25

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """A curve by one measure: values and their standard errors (NaN if unknown), each
    (checkpoints,)."""

    means: Floats
    errors: Floats

    @property
    def typical_error(self) -> float:
        """Root mean square of the standard errors."""
        return float(np.sqrt((self.errors**2).mean()))

    def above(self, chance: float, x: Floats) -> float:
        """How far above chance the values are on average, in units of their noise; `x` are their
        log10 tokens, (checkpoints,), ascending, at 3 different places at least."""
        noise = max(self.typical_error, _scatter(x, self.means))
        return (float(self.means.mean()) - chance) / noise


def judged_by(x: Floats, scores: Values, probabilities: Values, chance: float) -> str:
    """PROBABILITY if it is above chance, and CLEARLY further than the scores are; else SCORE."""
    least = max(CLEARLY * scores.above(chance, x), 0.0)
    return PROBABILITY if probabilities.above(chance, x) > least else SCORE


def _scatter(x: Floats, y: Floats) -> float:
    """Standard deviation of values around a smooth curve, from how far each lies from the straight
    line between its neighbours (Gasser, Sroka and Jennen-Steinmetz 1986, Biometrika 73:625)."""
    apart = x[2:] > x[:-2]  # labels may share a number of tokens
    before, own, after = x[:-2][apart], x[1:-1][apart], x[2:][apart]
    share = (after - own) / (after - before)
    off = share * y[:-2][apart] + (1 - share) * y[2:][apart] - y[1:-1][apart]
    return float(np.sqrt((off**2 / (share**2 + (1 - share) ** 2 + 1)).mean()))


def margin_of_probability(margin: float, scores: Values, probabilities: Values) -> float:
    """The slope of probabilities that is as small in standard errors as `margin` is of scores.

    Probabilities may lie much closer together than scores: a slope within `margin` itself would
    say little.
    """
    return margin * probabilities.typical_error / scores.typical_error
