"""Whether an early checkpoint orders models as the last one does: decision accuracy.

After Magnusson et al. (2025, DataDecide, arXiv 2504.11393): of all pairs of models, the share whose
order by the early score is that by the last one.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.stats.signal import SAME_WAY, curves
from tuning_dynamics.tables.tables import from_rows

Floats = NDArray[np.float64]

FAMILIES, TUNED = "families", "tuned models"

#: Shares of a family's own pre-training at which families are compared.
SHARES = (0.125, 0.25, 0.5)

_MODEL = ["recipe", "train_set"]


def decision_accuracy(early: Floats, last: Floats) -> tuple[float, int]:
    """Share of pairs of models that `early` orders as `last` does, and the number of pairs.

    Arrays of one score per model. A pair that is tied at last has no order and does not count; one
    that is tied early alone counts half. NaN without pairs.
    """
    one, other = np.triu_indices(len(last), k=1)
    before, after = (np.sign(scores[one] - scores[other]) for scores in (early, last))
    ordered = after != 0
    agreement = 0.5 + before[ordered] * after[ordered] / 2
    return (float(agreement.mean()) if ordered.any() else float("nan")), int(ordered.sum())


def decision_rows(seed_means: pd.DataFrame, reruns: Mapping[str, str]) -> pd.DataFrame:
    """decision_accuracy.csv: pairs of families by `base`, and of one family's tuned models.

    `reruns` are families that repeat another, which are left out.
    """
    untuned = seed_means["recipe"] == "base"
    base = curves(seed_means[untuned & ~seed_means["family"].isin(list(reruns))])
    tuned = curves(seed_means[~untuned])
    rows = [
        {"compared": FAMILIES, "family": "", **dict(zip(SAME_WAY, key, strict=True)), **row}
        for key, own in base.groupby(SAME_WAY, sort=True)
        for row in _of_families(own)
    ]
    rows += [
        {"compared": TUNED, **dict(zip(["family", *SAME_WAY], key, strict=True)), **row}
        for key, own in tuned.groupby(["family", *SAME_WAY], sort=True)
        for row in _of_tuned(own)
    ]
    return from_rows(rows, "decision_accuracy")


def _of_families(points: pd.DataFrame) -> Iterator[dict[str, object]]:
    """A row per share of pre-training; one with the reason if there is one family."""
    place = {"checkpoint": "", "step": pd.NA}
    models = points["family"].nunique()
    if models < 2:
        yield _no_row(place, models, "one family")
        return
    last = points.drop_duplicates("family", keep="last").set_index("family")
    reached = points["tokens"] / points["family"].map(last["tokens"])
    for share in SHARES:
        # The last checkpoint up to the share, which is none of less than half of it.
        near = points[(reached <= share) & (reached > share / 2)]
        early = near.drop_duplicates("family", keep="last").set_index("family")["score"]
        yield _row({**place, "share": share}, early, last["score"])


def _of_tuned(points: pd.DataFrame) -> Iterator[dict[str, object]]:
    """A row per checkpoint before the last; one with the reason if nothing can be compared."""
    order = points[["tokens", "step", "checkpoint"]].drop_duplicates()
    models = len(points[_MODEL].drop_duplicates())
    end = order.iloc[-1]
    if models < 2 or len(order) < 2:
        reason = "one tuned model" if models < 2 else "one checkpoint"
        yield _no_row({"checkpoint": end["checkpoint"], "step": end["step"]}, models, reason)
        return
    by_checkpoint = {
        label: own.set_index(_MODEL)["score"] for label, own in points.groupby("checkpoint")
    }
    for tokens, step, label in order.iloc[:-1].itertuples(index=False):
        share = tokens / end["tokens"] if end["tokens"] else np.nan
        place = {"checkpoint": label, "step": step, "share": share}
        yield _row(place, by_checkpoint[label], by_checkpoint[end["checkpoint"]])


def _row(place: dict[str, object], early: pd.Series, last: pd.Series) -> dict[str, object]:
    """A row of the models that both have."""
    both = pd.concat([early.rename("early"), last.rename("last")], axis=1, join="inner")
    found = both.to_numpy(dtype=float)
    accuracy, pairs = decision_accuracy(found[:, 0], found[:, 1])
    reason = "" if pairs else "fewer than two models, or all alike at the last checkpoint"
    measured = {"models": len(both), "pairs": pairs, "decision_accuracy": accuracy}
    return {**place, **measured, "reason": reason}


def _no_row(place: dict[str, object], models: int, reason: str) -> dict[str, object]:
    nothing = {"share": np.nan, "pairs": 0, "decision_accuracy": np.nan}
    return {**place, **nothing, "models": models, "reason": reason}
