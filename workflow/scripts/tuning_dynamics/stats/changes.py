"""changes.csv: each tuned cell against the untuned checkpoint, paired over items."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuning_dynamics.stats.bootstrap import Floats, percentile_intervals
from tuning_dynamics.stats.permutation import q_values, sign_flip_p_value
from tuning_dynamics.stats.records import read_records
from tuning_dynamics.stats.scores import cell_frame, describe, require_two_items
from tuning_dynamics.stats.select import DEFAULT_FORMAT
from tuning_dynamics.stats.tables import typed
from tuning_dynamics.study.errors import StudyError

# Below this base score a ratio says more about the denominator than about tuning: one of +491 %
# over a base of 0.019 once moved a published mean of 32 ratios.
RATIO_FLOOR = 0.02

PERMUTATIONS = 9999

_BASE_KEY = ["family", "step", "eval_set", "prediction", "metric"]


def change_rows(
    cells: Sequence[Mapping[str, Any]],
    *,
    resamples: int,
    level: float,
    seed: int,
    permutations: int = PERMUTATIONS,
) -> pd.DataFrame:
    """changes.csv from all cells, `base` among them; dicts as for `score_rows`.

    A tuned cell's base is the `base` cell of the same family, step, evaluation set, prediction
    method and metric; of several the one in the tuned cell's format, else the one in format
    `default`, and of those the one with most shots. `change` is tuned less base over the same
    items, its interval a paired percentile bootstrap; `ratio` is change / base score, empty
    below RATIO_FLOOR; `p_value` a sign-flip test; `q_value` Benjamini and Hochberg's within a
    recipe. Raises StudyError where a tuned cell has no base or their items differ.
    """
    frame = cell_frame(cells)
    bases = _BaseCells(frame)
    tuned = frame[frame["recipe"] != "base"].reset_index(drop=True)
    pairs = [bases.paired_scores(row) for _, row in tuned.iterrows()]
    differences = [after - before for before, after in pairs]
    intervals = percentile_intervals(differences, resamples, level, seed)
    before = np.array([base.mean() for base, _ in pairs])
    after = np.array([own.mean() for _, own in pairs])
    change = np.array([values.mean() for values in differences])
    p_values = np.array([sign_flip_p_value(d, permutations, seed) for d in differences])
    table = tuned.drop(columns="path").assign(
        base_score=before,
        tuned_score=after,
        change=change,
        change_low=intervals[:, 0],
        change_high=intervals[:, 1],
        ratio=ratios(change, before),
        p_value=p_values,
        q_value=_by_recipe(tuned["recipe"], p_values),
    )
    return typed(table, "changes")


def ratios(change: Floats, base: Floats) -> Floats:
    """change / base, NaN where the base is below RATIO_FLOOR."""
    safe = base >= RATIO_FLOOR
    unknown: Floats = np.full(len(change), np.nan)
    return np.divide(change, base, out=unknown, where=safe)


class _BaseCells:
    """The study's base cells, found for tuned ones; each file is read once."""

    def __init__(self, frame: pd.DataFrame) -> None:
        base = frame[frame["recipe"] == "base"]
        self._by_key = {key: group for key, group in base.groupby(_BASE_KEY, sort=False)}
        self._records: dict[str, pd.DataFrame] = {}

    def paired_scores(self, tuned: pd.Series) -> tuple[Floats, Floats]:
        """Scores of base and tuned on the same items, in one order."""
        path = str(self._base_of(tuned)["path"])
        if path not in self._records:
            self._records[path] = read_records(Path(path))
        base, own = self._records[path], read_records(Path(tuned["path"]))
        require_two_items(len(own), Path(tuned["path"]))
        _require_same_items(base, own, tuned, Path(path))
        return base["score"].to_numpy(dtype=float), own["score"].to_numpy(dtype=float)

    def _base_of(self, tuned: pd.Series) -> pd.Series:
        group = self._by_key.get(tuple(tuned[name] for name in _BASE_KEY))
        if group is not None:
            for wanted in (tuned["format"], DEFAULT_FORMAT):
                found = group[group["format"] == wanted]
                if not found.empty:
                    return found.sort_values("shots").iloc[-1]
        raise StudyError(
            f"a tuned cell has no base cell to be compared with: {describe(tuned)}",
            file=tuned["path"],
            key="base",
            fix=f"add recipe 'base' with evaluation set '{tuned['eval_set']}', format "
            f"'{DEFAULT_FORMAT}' and prediction '{tuned['prediction']}' to the study's blocks, "
            f"for step {tuned['step']} of family '{tuned['family']}'",
        )


def _require_same_items(
    base: pd.DataFrame, tuned: pd.DataFrame, cell: pd.Series, base_path: Path
) -> None:
    only_one = set(base["item"]) ^ set(tuned["item"])
    if only_one:
        raise StudyError(
            f"{len(only_one)} items are in only one of a tuned cell and its base cell "
            f"({base_path}), first '{min(only_one)}': {describe(cell)}",
            file=cell["path"],
            key="item",
            fix="delete both files and run again, so that both use the frozen split of the data",
        )
    pairs = zip(base["gold"], tuned["gold"], strict=True)
    differ = sum(list(ours) != list(theirs) for ours, theirs in pairs)
    if differ:
        raise StudyError(
            f"{differ} items have another gold answer in a tuned cell than in its base cell "
            f"({base_path}): {describe(cell)}",
            file=cell["path"],
            key="gold",
            fix="delete both files and run again, so that both use the frozen split of the data",
        )


def _by_recipe(recipes: pd.Series, p_values: Floats) -> Floats:
    result = np.empty(len(p_values))
    for recipe in recipes.unique():
        members = (recipes == recipe).to_numpy()
        result[members] = q_values(p_values[members])
    return result
