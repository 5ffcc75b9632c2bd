"""The changes by tuning that are compared between groups of evaluation sets."""

from collections.abc import Mapping

import pandas as pd

from tuning_dynamics.stats.cell_errors import errors_of
from tuning_dynamics.stats.components import normal_quantile

Tables = Mapping[str, pd.DataFrame]


def compared_changes(tables: Tables, level: float, *, declared: bool) -> pd.DataFrame:
    """The changes of tuned cells, means over seeds, with the columns `change` and `error`, the
    standard error (NaN if unknown), besides the key columns.

    From the second half of the items, as the first made the groups. Where groups are `declared`, or
    scores were published without items, from all of them.
    """
    if on_halves(tables, declared=declared):
        halves = tables["halves"]
        tuned = halves[halves["second_change"].notna()]
        return tuned.rename(columns={"second_change": "change", "second_se": "error"})
    means = tables["seed_means"]
    tuned = means[means["change"].notna()]
    return tuned.assign(error=errors_of(tuned["change_low"], tuned["change_high"], level))


def on_halves(tables: Tables, *, declared: bool) -> bool:
    """Whether groups and changes are from separate halves of the items."""
    return not declared and not tables["halves"].empty


def grouping_scores(tables: Tables, level: float, *, declared: bool) -> pd.DataFrame:
    """The base scores that groups are made from, with the columns `score`, `error`, `ci_low` and
    `ci_high` (NaN if unknown) besides the key columns: of the first half of the items, where
    changes are from the second."""
    if on_halves(tables, declared=declared):
        halves = tables["halves"].query("recipe == 'base'")
        half = normal_quantile(level) * halves["first_se"]
        return halves.rename(columns={"first_score": "score", "first_se": "error"}).assign(
            ci_low=halves["first_score"] - half, ci_high=halves["first_score"] + half
        )
    base = tables["seed_means"].query("recipe == 'base'")
    return base.assign(error=errors_of(base["ci_low"], base["ci_high"], level))
