"""Losses of tuned models on the fixed text, with those of their checkpoints.

One row per tuned model, seeds apart; empty unless the study asks for it (`evaluate.text_loss`). A
model whose train set was refused has no row.

The text is that of `checkpoints.csv`: held-out documents if the family is pre-trained here. The
loss rises as tuning forgets the distribution of pre-training. Both models are read in float32. It
is one text, so no interval is given: the change says nothing of other texts. How far seeds of
tuning differ shows in their rows.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "checkpoints"


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    checkpoint: str
    """label of the checkpoint: its step as text"""
    step: int
    """optimiser steps of pre-training"""
    tokens: int
    """tokens seen in pre-training"""
    recipe: str
    """how it was tuned"""
    train_set: str
    """what it was tuned on"""
    seed: int
    """seed of tuning"""
    base_loss: float
    """`text_loss` of the checkpoint, as in `checkpoints.csv`: nats per token"""
    tuned_loss: float
    """nats per token of the tuned model on the same text"""
    change: float
    """tuned minus base, in nats per token; above 0 if tuning costs some of pre-training"""
