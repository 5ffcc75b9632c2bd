"""Score of every cell, with its interval.

One row per cell, sorted by family, step, recipe, train set, seed, evaluation set, format,
shots and draw.

Items that share a context (a story, a passage: `context_field` of the dataset) are drawn together.
A cell needs at least 2 items, and 2 contexts. All cells of an evaluation set must have the same
items and gold answers, else the run stops. Intervals are of shares where scores are 0 or 1, else
the bootstrap's, whose draws all cells of a set share. Methods and coverage:
[statistics.md](statistics.md).
"""

from tuning_dynamics.tables.columns import CellColumns

#: The rule that makes it.
RULE = "scores"


class Row(CellColumns):
    """A cell."""

    n: int
    """items"""
    score: float
    """mean over items; the interval need not be symmetric around it"""
    se: float
    """standard error of the mean (standard deviation with n - 1, over the root of n), over contexts
    if items share them; where all are 0, or all 1, that of half an item more of each kind"""
    ci_low: float
    """low end of its interval over items, or contexts ([statistics.md](statistics.md)); for
    published scores as published, or from their standard error"""
    ci_high: float
    """high end"""
    truncated: int
    """items whose prompt had to be shortened"""
    commonest: float
    """share of the items that got the commonest answer, up to case and white space; in multiple
    choice the place of the option. Empty for published scores that do not say it"""
    degenerate: str
    """`yes` if the model gives one answer whatever the item: `commonest` is at least 0.95 (0.5 for
    generation) and `score` is lower than that; else empty. Such cells make no noise floor"""
    records: str
    """path of the cell's answers, relative to the repository; `snakemake show --config cell=PATH`
    prints prompts and answers. Empty for published scores"""
