"""Checkpoints: where each came from, and its loss on a fixed text.

One row per checkpoint that the study uses, by family and tokens.

Loss on a fixed text falls with pre-training. Two checkpoints contradict one another if the later
one's loss is more than 0.1 nats per token above the earlier one's; the excess is the size of the
contradiction. The checkpoint with the largest sum of contradictions is marked and set aside, and so
on until none are left. Two that contradict only one another are both marked: either may be wrong.
If most revisions of a range are mislabelled, the correct ones may be marked instead. A hole is a
distance of more than ten times the usual one between the steps that the family's file lists as
`available`.
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
    source: str
    """`pretrain` (made here), `local` or `hub`"""
    repo: str
    """repository on the hub; empty for other sources"""
    revision: str
    """name of the revision there"""
    commit: str
    """the commit that was downloaded"""
    digest: str
    """short digest of the digests of all weight files"""
    text_loss: float
    """nats per token: on held-out documents for `pretrain`, else on a fixed text"""
    breaks_curve: str
    """`yes` if the loss does not fit the checkpoint's place; else empty"""
    gap_before: int
    """tokens of the family's series for which no checkpoint exists since the row before; empty
    if there is no such hole"""
