"""Which of several evaluations represents a variant on a set, so that it counts once.

A variant may be evaluated on one set in several formats, numbers of shots, draws of demonstrations
and prediction methods. Summaries take one of them by a rule that ignores scores.
"""

import pandas as pd

from tuning_dynamics.common.constants import DEFAULT_FORMAT as DEFAULT_FORMAT
from tuning_dynamics.common.constants import PREDICTION_ORDER as PREDICTION_ORDER
from tuning_dynamics.common.errors import StudyError

VARIANT_AND_SET = ["family", "checkpoint", "recipe", "train_set", "seed", "eval_set"]

# The key of a curve over checkpoints, and the ways to evaluate a set, of which a curve takes one.
_CURVE = ["family", "recipe", "train_set", "seed", "eval_set"]
_WAY = ["prediction", "shots", "metric"]


def primary_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per variant and evaluation set: format `default`, the first prediction method of
    PREDICTION_ORDER that was evaluated; of several numbers of shots the fewest for tuned models
    and the most for `base`, as in the protocol (base few-shot, tuned zero-shot); of several draws
    the first.
    """
    return one_per(frame[frame["format"] == DEFAULT_FORMAT], VARIANT_AND_SET)


def curve_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that make one curve over checkpoints per variant and evaluation set.

    Format `default`, and one prediction method, number of shots, draw and metric for all
    checkpoints of a curve, so that only pre-training varies: those evaluated at most checkpoints,
    then as in `primary_cells`. Published tables have 0 shots at some checkpoints and 5 at others.
    """
    default = frame[frame["format"] == DEFAULT_FORMAT]
    curve = [name for name in _CURVE if name in frame]  # means over seeds have no seed
    way = [*_WAY, *_draw(frame)]
    points = default.groupby([*curve, *way], dropna=False)["checkpoint"].transform("nunique")
    ordered = _preferred(default.assign(_points=-points), ["_points"])
    ways = ordered.drop_duplicates(curve)[[*curve, *way]]
    return default.merge(ways, on=[*curve, *way])


def one_per(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The first row by prediction method, shots and draw within each group of `columns`."""
    kept = _preferred(frame, []).drop_duplicates(columns)
    return kept.sort_index().reset_index(drop=True)


def _preferred(frame: pd.DataFrame, first: list[str]) -> pd.DataFrame:
    """Rows sorted by the columns `first`, then prediction method, then shots (most for `base`,
    fewest for tuned models), then draw; the sort is stable."""
    shots = frame["shots"].astype("float64")
    preference = shots.where(frame["recipe"] != "base", -shots)
    ordered = frame.assign(_rank=prediction_rank(frame), _shots=preference).sort_values(
        [*first, "_rank", "_shots", *_draw(frame)], kind="stable"
    )
    return ordered.drop(columns=["_rank", "_shots"])


def _draw(frame: pd.DataFrame) -> list[str]:
    """The column of draws; none in a table of means over draws."""
    return [name for name in ("draw",) if name in frame]


def prediction_rank(frame: pd.DataFrame) -> pd.Series:
    """Place of each row's prediction method in PREDICTION_ORDER; others follow by name."""
    others = sorted(set(frame["prediction"]) - set(PREDICTION_ORDER))
    return frame["prediction"].map([*PREDICTION_ORDER, *others].index).astype("int64")


def require_recipe(frame: pd.DataFrame, recipe: str) -> None:
    """Raise StudyError if a study with tuned cells has none of `recipe`."""
    found = sorted(set(frame["recipe"]) - {"base"})
    if found and recipe not in found:
        raise StudyError(
            f"the summaries need recipe '{recipe}', which the study doesn't have",
            key="recipe",
            value=recipe,
            fix=f"choose one of {', '.join(found)}",
        )
