"""By what a curve over checkpoints is judged: by its scores, or by the probability of the right
option (`measures.csv`).

Accuracy asks of each item only which option is first, so that it hardly moves while a model that
guesses comes to prefer the right option by a little. The probability does move, but where it is
nearly the same for all checkpoints (labels that a model rarely says, say) accuracy may see more. A
curve's slope must not decide between them: the larger of two rises is too often a rise by chance.

So a set is judged by the measure by which its base model stands further above chance, in standard
errors, on average over the checkpoints; by the score if by neither it is above chance. Both are 1
over the number of options at chance, and 1 at best. An average stays as it is in whatever order its
values come, and says nothing of a slope (benchmarks/curve_measures.py).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.stats.option_measures import PROBABILITY as PROBABILITY

SCORE = "score"

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

    def above(self, chance: float) -> float:
        """How many standard errors the values are above chance on average."""
        return (float(self.means.mean()) - chance) / self.typical_error


def judged_by(scores: Values, probabilities: Values, chance: float) -> str:
    """SCORE or PROBABILITY, whichever is further above chance; SCORE if neither is above it."""
    least = max(scores.above(chance), 0.0)
    return PROBABILITY if probabilities.above(chance) > least else SCORE


def margin_of_probability(margin: float, scores: Values, probabilities: Values) -> float:
    """The slope of probabilities that is as small in standard errors as `margin` is of scores.

    Probabilities may lie much closer together than scores: a slope within `margin` itself would
    say little.
    """
    return margin * probabilities.typical_error / scores.typical_error
