"""Overlaps: evaluated items that stand in what models are tuned on or shown.

One row per evaluation set, and set whose training rows tune a model that is evaluated on it (mixed
in by a recipe, too), or whose demonstrations its prompts show. The three counts are of different
items. `exact` items that are not declared by the dataset's key `known_overlaps` make the cells that
they are in refused; `near` and `part` are only reported.

Texts are compared without case, punctuation, white space, forms of Unicode (NFKC) and characters
that are not seen. An item is what its fields say, except a field that is the same in most items.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "overlaps"


class Row(Columns):
    """A row."""

    eval_set: str
    """the evaluated set"""
    dataset: str
    """the set whose rows are compared with its items"""
    use: str
    """`train` or `demonstration`, as in `datasets.csv`"""
    items: int
    """evaluated items; empty, as the counts are, if one of the sets was refused"""
    rows: int
    """training rows, or demonstrations shown"""
    exact: int
    """items all of whose fields stand in one row, anywhere in its texts; as sentences, unless the
    row is a dialogue or there is one field; with the right answer, if they have fewer than 8 words
    or other items of the set say the same"""
    near: int
    """items with a field of which 13 words in a row stand in the rows, but not all; words that over
    a tenth of the set's texts have do not count, nor do fields of fewer words"""
    part: int
    """items of which a field of 8 words or more, such as a premise or a passage, stands whole in a
    row, but not the rest; a field that over a tenth of the items share does not count"""
    example: str
    """id of one of these items"""
    known: str
    """the reason that the dataset's file gives; empty if the overlap is not declared"""
