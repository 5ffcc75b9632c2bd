"""The tables of a study from published scores, without records of items.

Scores stay as published. Columns that need items stay empty: intervals, p-values and q-values of
changes, and intervals of spreads. Intervals over seeds remain, and so do all intervals over cells
that the summaries compute from these tables.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from tuning_dynamics.grid.published_table import PublishedTable, read_layout
from tuning_dynamics.stats.base_pairs import base_rows, unpaired_reason
from tuning_dynamics.stats.binomial import share_interval
from tuning_dynamics.stats.bootstrap import Floats
from tuning_dynamics.stats.cells import ORDER_KEYS
from tuning_dynamics.stats.changes import ratios
from tuning_dynamics.stats.primary_cells import VARIANT_AND_SET, one_per
from tuning_dynamics.tables.columns import IDENTITY, KEY_COLUMNS, PUBLISHED
from tuning_dynamics.tables.tables import from_rows, typed, write_table

_KEYS = list(KEY_COLUMNS)
_BUT_SEED = [name for name in _KEYS if name not in ("seed", "draw")]
_DRAWLESS = [name for name in IDENTITY if name != "draw"]
_ONE_EVALUATION = [*VARIANT_AND_SET, "prediction", "shots", "draw", "metric"]
# A count computed from a share is an integer up to rounding.
_WHOLE = 1e-6
_OF_ITEMS = ("measures", "item_changes", "seed_agreement", "overlaps")


def write_published(
    files: str | Sequence[str],
    folder: Path,
    *,
    layout: str,
    level: float,
    chance: Mapping[str, float],
    train_kinds: Mapping[str, str],
) -> None:
    """Write the tables that come from files of published scores into `folder`.

    `level` is that of intervals over seeds, and of single scores with a known standard error;
    `chance` is by evaluation set, `train_kinds` by train set. Prints what is left out. StudyError
    as for `read_layout`.
    """
    table = read_layout(files, layout)
    print(f"{len(table.rows):,} cells of {', '.join(table.files)}", *table.left_out, sep="\n")
    print("Without items: no intervals, p-values and q-values of changes, none of spreads.")
    for name, frame in published_tables(table, level, chance, train_kinds).items():
        write_table(frame, folder / f"{name}.csv")


def published_tables(
    table: PublishedTable,
    level: float,
    chance: Mapping[str, float],
    train_kinds: Mapping[str, str],
) -> dict[str, pd.DataFrame]:
    """Tables scores, changes, unpaired, seed_means, halves, sensitivity, checkpoints and datasets
    by name, and those that need items or runs, empty; arguments as for `write_published`."""
    rows = [{**row, "records": ""} for row in table.rows]
    scores = from_rows(rows, "scores").sort_values(ORDER_KEYS, ignore_index=True)
    low, high = _own_intervals(scores, level)
    scores = scores.assign(ci_low=low, ci_high=high)
    changes, unpaired = change_tables(scores)
    return {
        "scores": scores,
        "changes": changes,
        "unpaired": unpaired,
        "seed_means": seed_means(scores, changes, level),
        "halves": from_rows([], "halves"),
        "sensitivity": sensitivity(scores),
        "checkpoints": _checkpoints(scores),
        "rates": from_rows([], "rates"),
        "text_losses": from_rows([], "text_losses"),
        "datasets": _datasets(table, scores, chance, train_kinds),
        **{name: from_rows([], name) for name in _OF_ITEMS},
    }


def change_tables(scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """changes.csv, and unpaired.csv of the tuned rows without a base row.

    `change` is tuned minus base, `ratio` change over base; whether a change differs from 0 needs
    items, so intervals, p-values and q-values are empty.
    """
    base = scores[scores["recipe"] == "base"]
    found = base_rows(scores)
    tuned = scores.loc[found.index[found.notna()]]
    over_draws = scores.groupby(_DRAWLESS, dropna=False)["score"].transform("mean")
    before = over_draws.loc[found.dropna().astype(int)].to_numpy(dtype=float)
    change = tuned["score"].to_numpy(dtype=float) - before
    equal = base_rows(scores, equal_shots=True).reindex(tuned.index)
    alike = equal.map(over_draws).to_numpy(dtype=float)
    changes = tuned[_KEYS].assign(
        base_shots=scores.loc[found.dropna().astype(int), "shots"].to_numpy(),
        base_score=before,
        tuned_score=tuned["score"],
        change=change,
        change_low=np.nan,
        change_high=np.nan,
        ratio=ratios(change, before),
        equal_base_score=alike,
        equal_change=tuned["score"].to_numpy(dtype=float) - alike,
        equal_low=np.nan,
        equal_high=np.nan,
        p_value=np.nan,
        q_value=np.nan,
    )
    alone = scores.loc[found.index[found.isna()], _KEYS]
    reasons = [unpaired_reason(row, base) for _, row in alone.iterrows()]
    return typed(changes, "changes"), typed(alone.assign(reason=reasons), "unpaired")


def seed_means(scores: pd.DataFrame, changes: pd.DataFrame, level: float) -> pd.DataFrame:
    """seed_means.csv: mean score and change over seeds.

    Intervals: for 2 or more seeds, Student's t over their means, over seeds with the items fixed;
    for one seed's score, the row's own, the normal one of its standard error, or the exact one of
    an accuracy over a known number of items.
    """
    known = scores.merge(changes[[*_KEYS, "base_score", "change"]], on=_KEYS, how="left")
    seeds = known.groupby(_BUT_SEED, sort=False, dropna=False)
    means = seeds[["score", "base_score", "change"]].mean()
    number, items = seeds.size(), seeds["n"].agg(["min", "max", "count"])
    alike = (items["count"] == number) & (items["min"] == items["max"])
    own = _own_intervals(seeds[["metric", "n", "score", "se", "ci_low", "ci_high"]].nth(0), level)
    several = number.to_numpy() > 1
    ends = {
        name: _over_seeds(means[name], seeds[name].std(), number, level)
        for name in ("score", "change")
    }
    table = means.assign(
        seeds=seeds["seed"].nunique().astype("Int64"),
        draws=seeds["draw"].nunique().astype("Int64"),
        n=items["min"].astype("Int64").where(alike),
        ci_low=np.where(several, ends["score"][0], own[0]),
        ci_high=np.where(several, ends["score"][1], own[1]),
        change_low=ends["change"][0],
        change_high=ends["change"][1],
        # Published scores have no scores of options.
        **dict.fromkeys(("probability", "probability_low", "probability_high"), np.nan),
    ).reset_index()
    table["seeds"] = table["seeds"].where(table["recipe"] != "base")
    return typed(table, "seed_means")


def _over_seeds(
    mean: pd.Series, deviation: pd.Series, number: pd.Series, level: float
) -> tuple[Floats, Floats]:
    """Ends of Student's t intervals of means over seeds; NaN for a single one."""
    enough = number.where(number > 1).to_numpy(dtype=float)
    half = t.ppf((1 + level) / 2, enough - 1) * deviation.to_numpy() / np.sqrt(enough)
    return mean.to_numpy() - half, mean.to_numpy() + half


def _own_intervals(rows: pd.DataFrame, level: float) -> tuple[Floats, Floats]:
    """Ends of single scores' intervals: as published, else the normal ones of standard errors,
    else of accuracies the exact ones of their items."""
    score = rows["score"].to_numpy(dtype=float)
    half = norm.ppf((1 + level) / 2) * rows["se"].to_numpy(dtype=float)
    given = rows["ci_low"].notna().to_numpy()
    low = np.where(given, rows["ci_low"], np.maximum(score - half, 0.0))
    high = np.where(given, rows["ci_high"], np.minimum(score + half, 1.0))
    for place in np.flatnonzero(np.isnan(low) & (rows["metric"] == "accuracy").to_numpy()):
        low[place], high[place] = _exact(score[place], rows["n"].iloc[place], level)
    return low, high


def _exact(score: float, items: object, level: float) -> tuple[float, float]:
    """The exact interval of an accuracy; NaN if it is no share of a known number of items."""
    if not isinstance(items, int | np.integer):
        return np.nan, np.nan
    right = round(score * int(items))
    if abs(score * int(items) - right) > _WHOLE * int(items):
        return np.nan, np.nan
    low, high = share_interval(np.array([right]), int(items), level)
    return float(low[0]), float(high[0])


def sensitivity(scores: pd.DataFrame) -> pd.DataFrame:
    """sensitivity.csv: best minus worst score over formats; what is due to chance needs items."""
    formats = scores.groupby(_ONE_EVALUATION, dropna=False)["format"].transform("size")
    varied = scores[formats >= 2]
    chosen = one_per(varied, VARIANT_AND_SET)[_ONE_EVALUATION]
    rows = []
    for _, own in varied.merge(chosen, on=_ONE_EVALUATION).groupby(
        _ONE_EVALUATION, sort=False, dropna=False
    ):
        ordered = own.sort_values(["score", "format"])
        worst, best = ordered.iloc[0], ordered.iloc[-1]
        rows.append(
            {
                **{name: best[name] for name in [*VARIANT_AND_SET, "step"]},
                "spread": best["score"] - worst["score"],
                **dict.fromkeys(("chance", "beyond_chance", "p_value"), np.nan),
                "best": best["format"],
                "worst": worst["format"],
            }
        )
    return from_rows(rows, "sensitivity")


def _checkpoints(scores: pd.DataFrame) -> pd.DataFrame:
    points = scores.drop_duplicates(["family", "checkpoint"])
    ordered = points.sort_values(["family", "tokens", "step"])
    table = ordered[["family", "checkpoint", "step", "tokens"]].assign(
        source=PUBLISHED,
        **dict.fromkeys(("repo", "revision", "commit", "digest", "breaks_curve"), ""),
        text_loss=np.nan,
        gap_before=pd.NA,
    )
    return typed(table, "checkpoints")


def _datasets(
    table: PublishedTable,
    scores: pd.DataFrame,
    chance: Mapping[str, float],
    train_kinds: Mapping[str, str],
) -> pd.DataFrame:
    empty = dict.fromkeys(
        (
            *("licence", "revision", "commit", "split", "left_out", "special_tokens"),
            *("training_split_scored", "overlaps", "digest"),
        ),
        "",
    )
    evaluated = [
        {
            **empty,
            "dataset": name,
            "use": "evaluation",
            "task": own["task"].iloc[0],
            "kind": own["kind"].iloc[0],
            "source": PUBLISHED,
            "items": own["n"].iloc[0] if own["n"].nunique(dropna=False) == 1 else pd.NA,
            "chance": chance.get(name, np.nan),
            "majority": np.nan,
        }
        for name, own in scores.groupby("eval_set", sort=True)
    ]
    trained = [
        {
            **empty,
            "dataset": name,
            "use": "train",
            "task": task,
            "kind": kind,
            "source": PUBLISHED,
            "items": pd.NA,
            "chance": np.nan,
            "majority": np.nan,
        }
        for name, (task, kind) in table.train_sets(train_kinds).items()
    ]
    return from_rows([*evaluated, *trained], "datasets").sort_values(
        ["dataset", "use"], ignore_index=True
    )
