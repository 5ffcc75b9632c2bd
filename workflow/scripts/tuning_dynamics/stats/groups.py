"""groups.csv and group_changes.csv: sets learned in pre-training, and the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.crossed import Estimate, Pairs, crossed_contrast, crossed_mean, within
from tuning_dynamics.stats.curve_shape import RISES, TOO_FEW, curve_shape
from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.primary_cells import (
    DEFAULT_FORMAT,
    VARIANT_AND_SET,
    curve_cells,
    one_per,
)
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import estimate_columns
from tuning_dynamics.tables.columns import POOLED
from tuning_dynamics.tables.tables import from_rows

#: `other` sets are not shown to be learned, or declared as not learned.
LEARNED, OTHER, UNDECIDED = "learned", "other", "undecided"

# There are 40,320 orders of 8 checkpoints, and 362,880 of 9.
_ENUMERATED = 8

OWN_TASK = ("id", "ood")

SEEDLESS_VARIANT_AND_SET = [name for name in VARIANT_AND_SET if name != "seed"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The base model's primary scores on one set, by tokens: places on the log10 axis, scores,
    their standard errors and the ends of their intervals (NaN if unknown)."""

    x: Floats
    y: Floats
    error: Floats
    low: Floats
    high: Floats

    @property
    def rose(self) -> bool:
        """Whether the last checkpoint's interval, or its score if that is unknown, is above the
        first one's score."""
        last = self.y[-1] if np.isnan(self.low[-1]) else self.low[-1]
        return bool(last > self.y[0])


def base_curves(scores: pd.DataFrame) -> dict[tuple[str, str], Curve]:
    """The curve of every family and evaluation set; `scores` as of `grouping_scores`."""
    base = curve_cells(scores)
    curves = {}
    for (family, eval_set), cells in base.groupby(["family", "eval_set"], sort=True):
        own = cells.sort_values(["tokens", "step"])
        columns = (own[name].to_numpy(float) for name in ("score", "error", "ci_low", "ci_high"))
        curves[str(family), str(eval_set)] = Curve(log_tokens(own["tokens"]), *columns)
    return curves


def group_rows(
    curves: pd.DataFrame,
    compared: Mapping[tuple[str, str], Curve],
    *,
    drawing: Drawing,
    alpha: float,
    margin: float,
    declared: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """groups.csv: for each family and evaluation set, whether the base model learns it.

    `curves` are rows of turning_points.csv, judged by scores, whose shape decides: a set is LEARNED
    if its curve is shown to rise, UNDECIDED if it has too few checkpoints, else OTHER. `compared`
    are the curves that the groups are made from in which changes are compared, by the same rule
    (`curve_shape`, with `alpha` and `margin`). With `declared` groups, the set is in the one that
    names it, and UNDECIDED if none does. Raises StudyError for a set that is declared twice.
    """
    base = curves[(curves["recipe"] == "base") & (curves["eval_set"] != POOLED)]
    named = None if declared is None else _declared(declared)

    def shape(curve: Curve) -> str:
        return curve_shape(curve.x, curve.y, curve.error, drawing, alpha=alpha, margin=margin).shape

    rows: list[dict[str, object]] = []
    for row in base.sort_values(["family", "eval_set"]).to_dict("records"):
        key = row["family"], row["eval_set"]
        if named is not None:
            groups = [named.get(row["eval_set"], UNDECIDED)] * 2
        else:
            shapes = [row["shape"], shape(compared[key]) if key in compared else row["shape"]]
            groups = [shape_group(found) for found in shapes]
        rows.append(
            {
                **{name: row[name] for name in ("family", "eval_set", "shape")},
                **dict(zip(("group", "compared_group"), groups, strict=True)),
                **{f"trend{end}": row[f"slope{end}"] for end in ("", "_low", "_high")},
                "trend_p": row["rise_p"],
            }
        )
    return from_rows(rows, "groups")


def shape_group(shape: str) -> str:
    """The group of a set by the shape of its base curve."""
    if shape == TOO_FEW:
        return UNDECIDED
    return LEARNED if shape in RISES else OTHER


def _declared(groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    named: dict[str, str] = {}
    for key, names in groups.items():
        for name in names:
            if name in named:
                raise StudyError(
                    f"evaluation set '{name}' is declared twice, so that it would count twice",
                    key=f"statistics.groups.{key}",
                    value=name,
                    fix="leave it out of learned or of not_learned",
                )
            named[name] = LEARNED if key == "learned" else OTHER
    return named


def kendall_group(curve: Curve, alpha: float, *, rise: bool = True) -> str:
    """The group by Kendall's tau.

    `learned`: the trend is above 0, its p-value under `alpha`, and, with `rise`, the curve rose.
    `undecided`: too few checkpoints for any order to reach alpha (k checkpoints reach 2 / k! at
    best: 4 reach .083, 5 reach .017). Else `other`.
    """
    if 2 / factorial(len(curve.y)) >= alpha:
        return UNDECIDED
    rising = slope(curve.x, curve.y) > 0 and kendall_p_value(curve.x, curve.y) < alpha
    return LEARNED if rising and (curve.rose or not rise) else OTHER


def group_change_rows(grouped: pd.DataFrame, level: float) -> pd.DataFrame:
    """group_changes.csv: mean change over each group's sets, per checkpoint and over `all`.

    `grouped` as of `grouped_changes`. A set counts once, with the mean of its cells. Intervals are
    over train sets and evaluation sets.
    """
    rows: list[dict[str, object]] = []
    for (family, group), block in grouped.groupby(["family", "group"], sort=True):
        parts = list(block.groupby(["step", "checkpoint"], sort=True))
        for (step, checkpoint), cells in [*parts, ((pd.NA, POOLED), block)]:
            mean = crossed_mean(Pairs.of(cells, "change"), level, by_set=True)
            found = within(mean, -1.0, 1.0)
            place = {"family": family, "checkpoint": checkpoint, "step": step, "group": group}
            rows.append({**place, **estimate_columns(found, "mean_change")})
    return from_rows(rows, "group_changes")


def grouped_changes(
    changes: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    recipes: Sequence[str],
    roles: Sequence[str] = OWN_TASK,
    metric: str | None = None,
) -> pd.DataFrame:
    """The primary cells of `changes` (as of `compared_changes`) of `recipes` in `roles`, by
    `metric` (None: by any), with the column `group`, that in which changes are compared.

    Raises StudyError for a set that two of the recipes have, or that has no group, or two.
    """
    chosen = changes[changes["recipe"].isin(list(recipes)) & changes["role"].isin(list(roles))]
    if metric is not None:
        chosen = chosen[chosen["metric"] == metric]
    cells = one_per(chosen[chosen["format"] == DEFAULT_FORMAT], SEEDLESS_VARIANT_AND_SET)
    _require_one_recipe(cells)
    return with_groups(cells, groups)


def with_groups(cells: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """The cells with their `group`, the column `compared_group` of `groups`; StudyError for a set
    that has none, or two."""
    repeated = groups[groups.duplicated(["family", "eval_set"])]
    if not repeated.empty:
        raise StudyError(
            "groups.csv holds an evaluation set twice",
            key="eval_set",
            value=repeated["eval_set"].iloc[0],
            fix="give each family's evaluation set one row",
        )
    named = groups[["family", "eval_set", "compared_group"]]
    joined = cells.drop(columns="group", errors="ignore").merge(
        named.rename(columns={"compared_group": "group"}), on=["family", "eval_set"], how="left"
    )
    lost = joined[joined["group"].isna()]
    if not lost.empty:
        raise StudyError(
            f"evaluation set '{lost['eval_set'].iloc[0]}' has changes but no group",
            key="eval_set",
            value=lost["eval_set"].iloc[0],
            fix="evaluate the base model on it in format 'default' at every checkpoint",
        )
    return joined


def _require_one_recipe(cells: pd.DataFrame) -> None:
    """Raise StudyError if a set would count under two recipes, mixing unlike with like."""
    met = cells[["family", "eval_set", "recipe"]].drop_duplicates()
    twice = met[met.duplicated(["family", "eval_set"], keep=False)]
    if not twice.empty:
        eval_set = twice["eval_set"].iloc[0]
        recipes = sorted(twice[twice["eval_set"] == eval_set]["recipe"].unique())
        raise StudyError(
            f"evaluation set '{eval_set}' would count twice in its group, as tuned by "
            f"{' and by '.join(recipes)}",
            key="statistics.group_recipes",
            value=eval_set,
            fix="name one of these recipes, or keep the set out by statistics.group_roles",
        )


def group_contrast(grouped: pd.DataFrame, level: float) -> Estimate:
    """Mean change of other sets minus that of learned ones; rows of `grouped_changes`."""
    new, old = (
        Pairs.of(grouped[grouped["group"] == group], "change") for group in (OTHER, LEARNED)
    )
    return crossed_contrast(new, old, level)


def kendall_p_value(x: Floats, y: Floats) -> float:
    """Two-sided p-value of Kendall's tau: exact over all orders for up to 8 points, ties or not.

    Beyond 8, scipy's (exact without ties, else normal). 1 if x or y doesn't vary.
    """
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return 1.0
    if len(x) > _ENUMERATED:
        return float(kendalltau(x, y).pvalue)
    above = np.triu_indices(len(x), 1)
    signs_x = np.sign(x[above[1]] - x[above[0]])
    orders = y[np.array(list(permutations(range(len(y)))))]
    signs_y = np.sign(orders[:, above[1]] - orders[:, above[0]])
    concordance = np.abs(signs_y @ signs_x)
    # The first order is the observed one.
    return float((concordance >= concordance[0] - 0.5).mean())
