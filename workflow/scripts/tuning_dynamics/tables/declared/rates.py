"""Candidate learning rates, their held-out losses, and which was chosen.

One row per candidate of each choice. Losses are those on held-out training rows. Empty where no
recipe chooses its learning rate, and for published scores; a choice has no rows if its train set
was refused. If the chosen rate is the smallest or largest candidate, a better one may lie beyond:
add candidates on that side.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "checkpoints"


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    recipe: str
    """name of the recipe that chooses its learning rate"""
    train_set: str
    """what was tuned on"""
    checkpoint: str
    """label of the checkpoint that the choice is for; `all` where one choice serves all"""
    tried_on: str
    """label of the checkpoint that the candidates were tried on"""
    rate: float
    """the candidate: a peak learning rate"""
    loss: float
    """nats per target token on the held-out rows; empty if training diverged"""
    chosen: str
    """`yes` for the rate with the lowest loss, the smaller of two; else empty"""
    edge: str
    """`yes` if the chosen rate is the smallest or the largest candidate; else empty"""
