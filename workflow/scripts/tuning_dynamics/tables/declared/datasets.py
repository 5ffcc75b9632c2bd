"""Datasets: where each split came from.

One row per dataset, split and use.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "datasets"


class Row(Columns):
    """A row."""

    dataset: str
    """name of the dataset"""
    use: str
    """`train`, `evaluation` or `demonstration` (items of the training split that are not tuned
    on)"""
    task: str
    """as in `scores.csv`, or `instruction`"""
    kind: str
    """`classification`, `generation`, `multiple_choice` or `instruction`"""
    licence: str
    """licence of the data"""
    source: str
    """`hub` with repository and configuration, `files`, or `world` with the set of the mini world;
    and any joined file"""
    revision: str
    """branch, tag or commit of the hub that the dataset's file asks for; empty for its default
    branch and for other sources"""
    commit: str
    """the hub's commit that was read; empty for other sources"""
    split: str
    """the source's name of the split, or the file"""
    items: int
    """items frozen, after the study's caps"""
    left_out: str
    """rows left out, by reason: `repeated 3; label in drop 2`"""
    special_tokens: str
    """items whose texts spell a special token of a family's tokenizer (`</s>`), by family: `pythia
    3`; models are given them as text, not as that token"""
    chance: float
    """accuracy of guessing: one over the labels, or the mean of that over items' options; empty for
    generation and if nothing is evaluated"""
    majority: float
    """accuracy of giving every item the commonest label: the share of evaluated items with that
    label; empty if labels are not known, for other kinds, and if nothing is evaluated"""
    training_split_scored: str
    """the reason, if a training split is evaluated; else empty"""
    overlaps: str
    """of an evaluated set: how many of its items stand in what models are tuned on or shown:
    `snli_6k: 2 exact, 31 near, 5 part`, as in `overlaps.csv`; empty if none"""
    digest: str
    """first 16 hex digits of the SHA-256 of the frozen items"""
