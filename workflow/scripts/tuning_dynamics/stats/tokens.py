"""The axis of pre-training: tokens seen, on a logarithmic scale."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.errors import StudyError

Floats = NDArray[np.float64]

# 0 tokens have no logarithm; an untrained checkpoint is placed at a third of the first one's
# tokens, about one step of a log-spaced series to its left. Ranks (the trend's p-value) ignore it.
ZERO_SHARE = 1 / 3


def log_tokens(tokens: pd.Series) -> Floats:
    """log10 of tokens; 0 tokens count as a third of the smallest positive number in `tokens`.

    Raises StudyError if a number is missing or negative.
    """
    if tokens.isna().any() or (tokens < 0).any():
        raise StudyError(
            "a checkpoint's number of tokens is missing or negative",
            key="tokens",
            fix="give the tokens seen by each checkpoint (column tokens of scores.csv)",
        )
    values = tokens.to_numpy(dtype=float)
    positive = values[values > 0]
    if positive.size == 0:
        return np.zeros(len(values))
    placed: Floats = np.where(values > 0, values, positive.min() * ZERO_SHARE)
    return np.log10(placed)


def placed(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Rows with the column `x`, their checkpoint's place on the log10 axis of its family.

    The axis is that of all checkpoints in `scores`, so that all rows of a family share it. Tokens
    are added if the rows have none.
    """
    points = scores[["family", "checkpoint", "tokens"]].drop_duplicates()
    axes = [own.assign(x=log_tokens(own["tokens"])) for _, own in points.groupby("family")]
    known = pd.concat([points.iloc[:0].assign(x=0.0), *axes])
    bare = rows.drop(columns="tokens", errors="ignore")
    return bare.merge(known, on=["family", "checkpoint"], how="left", validate="many_to_one")


def slope(x: Floats, y: Floats) -> float:
    """Least-squares slope of y on x; NaN for fewer than 2 different x."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    if spread == 0.0:
        return float("nan")
    return float(centred @ (y - y.mean()) / spread)
