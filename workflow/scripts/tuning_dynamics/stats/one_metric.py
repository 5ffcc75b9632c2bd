"""Means over evaluation sets are means of one metric: scores by different metrics have none."""

import pandas as pd


def commonest_metric(cells: pd.DataFrame) -> str:
    """The metric of most evaluation sets; the first by name of several."""
    sets = cells.groupby("metric")["eval_set"].nunique()
    return str(sets.idxmax())


def of_one_metric(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells whose metric is the commonest one of their family."""
    if cells.empty:
        return cells
    metrics = {family: commonest_metric(own) for family, own in cells.groupby("family")}
    return cells[cells["metric"] == cells["family"].map(metrics)]
