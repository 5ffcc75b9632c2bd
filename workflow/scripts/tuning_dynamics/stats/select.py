"""Which of several evaluations of one thing stands for it, so that each is counted once.

A variant may be evaluated on one set in several formats, numbers of shots and prediction methods.
Summaries take one of them by a rule that looks at no score.
"""

import pandas as pd

from tuning_dynamics.study.errors import StudyError

DEFAULT_FORMAT = "default"

# First the study's own choice for the kind, then what stands in for it.
PREDICTION_ORDER = (
    "token_prob",
    "likelihood",
    "greedy",
    "constrained",
    "likelihood_per_char",
    "likelihood_pmi",
    "free",
)

VARIANT_AND_SET = ["family", "checkpoint", "recipe", "train_set", "seed", "eval_set"]


def primary_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per variant and evaluation set: format `default`, the first prediction method of
    PREDICTION_ORDER that was evaluated; of several numbers of shots the fewest for tuned models
    and the most for `base`, as in the protocol (base few-shot, tuned zero-shot).
    """
    return one_per(frame[frame["format"] == DEFAULT_FORMAT], VARIANT_AND_SET)


def one_per(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The first row by prediction method and shots within each group of `columns`."""
    ranks = prediction_rank(frame)
    shots = frame["shots"].astype("float64")
    preference = shots.where(frame["recipe"] != "base", -shots)
    ordered = frame.assign(_rank=ranks, _shots=preference).sort_values(
        ["_rank", "_shots"], kind="stable"
    )
    kept = ordered.drop_duplicates(columns).drop(columns=["_rank", "_shots"])
    return kept.sort_index().reset_index(drop=True)


def prediction_rank(frame: pd.DataFrame) -> pd.Series:
    """Place of each row's prediction method in PREDICTION_ORDER; StudyError if it has none."""
    unknown = sorted(set(frame["prediction"]) - set(PREDICTION_ORDER))
    if unknown:
        raise StudyError(
            f"unknown prediction methods: {', '.join(unknown)}",
            key="prediction",
            value=unknown[0],
            fix=f"use one of {', '.join(PREDICTION_ORDER)}",
        )
    return frame["prediction"].map(PREDICTION_ORDER.index).astype("int64")


def require_recipe(frame: pd.DataFrame, recipe: str) -> None:
    """Raises StudyError where a study that has tuned cells has none of `recipe`."""
    found = sorted(set(frame["recipe"]) - {"base"})
    if found and recipe not in found:
        raise StudyError(
            f"the summaries are to be made of recipe '{recipe}', which the study doesn't have",
            key="recipe",
            value=recipe,
            fix=f"choose one of {', '.join(found)}",
        )
