"""The groups' difference under other rules for what is learned.

How the groups, and the changes by tuning in them, depend on the rule that makes the groups. A row
per rule, the study's own first. Groups are made from one half of each set's items, changes are
those of the other (`halves.csv`).

`study` is `compared_group` of `groups.csv`. `kendall`: trend above 0 and Kendall's p-value below
`alpha`, undecided where no order of the checkpoints reaches it. `slope_t_test`: the same with the
t-test of the least-squares slope over log10 tokens, undecided below 3 checkpoints.
`last_above_first`: the low end of the last checkpoint's interval above the high end of the first
one's, undecided if intervals are unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import linregress

from tuning_dynamics.stats.compared_changes import compared_changes, grouping_scores
from tuning_dynamics.stats.groups import (
    LEARNED,
    OTHER,
    OWN_TASK,
    UNDECIDED,
    Curve,
    base_curves,
    group_contrast,
    grouped_changes,
    kendall_group,
    with_groups,
)
from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns
from tuning_dynamics.tables.tables import from_rows


class Row(Columns):
    """A row."""

    family: str
    """name of the family"""
    rule: str
    """see above"""
    alpha: float
    """threshold of the rule's p-value; empty if it has none, and for `study`"""
    learned: int
    """number of evaluation sets that the rule puts into this group"""
    other: int
    """same"""
    undecided: int
    """same"""
    difference: float
    """mean change of sets not learned minus that of learned ones, of cells as in
    `group_changes.csv`"""
    low: float
    """low end of its interval over train sets and evaluation sets; empty for 1 train set, and for
    fewer than 2 evaluation sets in a group"""
    high: float
    """high end"""
    cells: int
    """number of changes"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    level, declared = asked.drawing.level, asked.groups is not None
    return group_rule_rows(
        base_curves(grouping_scores(tables, level, declared=declared)),
        compared_changes(tables, level, declared=declared),
        tables["groups"],
        level=level,
        recipes=asked.group_recipes,
        roles=asked.roles,
        metric=asked.group_metric,
    )


#: Thresholds around the usual ones.
ALPHAS = (0.01, 0.05, 0.1, 0.2)

STUDY, KENDALL, SLOPE, INTERVALS = "study", "kendall", "slope_t_test", "last_above_first"


def group_rule_rows(
    curves: Mapping[tuple[str, str], Curve],
    changes: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    level: float,
    recipes: Sequence[str],
    roles: Sequence[str] = OWN_TASK,
    metric: str | None = None,
) -> pd.DataFrame:
    """group_rules.csv: a row per family and rule, `study` (groups.csv as it is) first.

    `curves` as of `base_curves`, `changes` as of `compared_changes`. The numbers of sets count all
    sets that base is evaluated on; `difference` is the mean change of sets not learned minus that
    of learned ones, with its interval over train sets and evaluation sets.
    """
    cells = grouped_changes(changes, groups, recipes=recipes, roles=roles, metric=metric)
    rules = [(STUDY, np.nan, groups)]
    rules += [(name, alpha, _classified(curves, rule)) for name, alpha, rule in _rules()]
    rows: list[dict[str, object]] = []
    for name, alpha, placed in rules:
        grouped = with_groups(cells, placed)
        for family, own in placed.groupby("family", sort=True):
            compared = grouped[(grouped["family"] == family) & (grouped["group"] != UNDECIDED)]
            found = group_contrast(compared, level)
            rows.append(
                {
                    "family": family,
                    "rule": name,
                    "alpha": alpha,
                    **{group: int((own["compared_group"] == group).sum()) for group in _GROUPS},
                    "difference": found.value,
                    "low": found.low,
                    "high": found.high,
                    "cells": len(compared),
                }
            )
    return from_rows(rows, "group_rules").sort_values("family", kind="stable", ignore_index=True)


_GROUPS = (LEARNED, OTHER, UNDECIDED)


def _rules() -> list[tuple[str, float, Callable[[Curve], str]]]:
    rules: list[tuple[str, float, Callable[[Curve], str]]] = []
    for alpha in ALPHAS:
        rules.append((KENDALL, alpha, partial(kendall_group, alpha=alpha, rise=False)))
    for alpha in ALPHAS:
        rules.append((SLOPE, alpha, partial(slope_group, alpha=alpha)))
    return [*rules, (INTERVALS, np.nan, interval_group)]


def _classified(
    curves: Mapping[tuple[str, str], Curve], rule: Callable[[Curve], str]
) -> pd.DataFrame:
    rows = [
        {"family": family, "eval_set": eval_set, "compared_group": rule(curve)}
        for (family, eval_set), curve in curves.items()
    ]
    return pd.DataFrame(rows, columns=["family", "eval_set", "compared_group"])


def slope_group(curve: Curve, alpha: float) -> str:
    """By the two-sided t-test of the slope over log10 tokens; undecided below 3 checkpoints."""
    if len(np.unique(curve.x)) < 3:
        return UNDECIDED
    fit = linregress(curve.x, curve.y)
    return LEARNED if fit.slope > 0 and fit.pvalue < alpha else OTHER


def interval_group(curve: Curve) -> str:
    """Whether the last checkpoint's interval lies above the first one's; undecided if unknown."""
    if len(curve.y) < 2 or np.isnan(curve.low[-1]) or np.isnan(curve.high[0]):
        return UNDECIDED
    return LEARNED if curve.low[-1] > curve.high[0] else OTHER
