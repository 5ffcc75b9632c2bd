"""comparison.csv and unshared.csv: the cells that two studies share, and those of only one."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.answer_pattern import AnswerPattern
from tuning_dynamics.config.load import load_merged
from tuning_dynamics.config.statistics import StatisticsSettings
from tuning_dynamics.grid.compare_request import Sides, check_sides, scores_file
from tuning_dynamics.grid.evaluated_sets import evaluated_sets
from tuning_dynamics.grid.merged_config import cell_rows, read_merged
from tuning_dynamics.grid.published_table import read_layout
from tuning_dynamics.stats.bootstrap import (
    Estimates,
    Floats,
    Integers,
    expanded,
    interval_of,
    means,
    resampled_means,
    standard_errors,
    unit_sizes,
    unit_sums,
)
from tuning_dynamics.stats.cells import ORDER_KEYS, describe
from tuning_dynamics.stats.changes import PERMUTATIONS
from tuning_dynamics.stats.extraction import extracted
from tuning_dynamics.stats.item_intervals import of_differences
from tuning_dynamics.stats.item_scores import item_scores
from tuning_dynamics.stats.permutation import q_values_within, sign_flip_p_values
from tuning_dynamics.stats.records import Records, read_records
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.columns import IDENTITY, KEY_COLUMNS
from tuning_dynamics.tables.tables import from_rows, read_table, typed, write_table

#: How a difference was computed: over the items of both, from both standard errors, or from scores.
ITEMS, ERRORS, ALONE = "items", "errors", "scores"

#: A difference counts as found under this q-value.
Q = 0.05

#: Differences that the summary names.
NAMED = 10

#: Columns that results of earlier versions lack, and what they would have there.
NEW_COLUMNS = {"draw": "0"}

_IDENTITY = list(IDENTITY)


@dataclass(frozen=True)
class Pair:
    """Differences of the same items' scores, b less a, (items,), each item's unit, and whether all
    scores are 0 or 1."""

    difference: Floats
    units: Integers
    binary: bool


def write_comparison(sides: Sides) -> None:
    """Write the tables and summary of a comparison; StudyError if none can be made."""
    check_sides(sides)
    assert sides.a is not None
    assert sides.b is not None
    a, b = read_side(sides.a), read_side(sides.b)
    comparison = comparison_rows(a, b)
    if comparison.empty:
        raise StudyError(
            "the two sides share no cell",
            file=scores_file(sides.a),
            key="family, checkpoint, recipe, …",
            value=f"a: {_first(a)}; b: {_first(b)}",
            fix=f"compare studies whose cells agree in {', '.join(IDENTITY)}",
        )
    unshared = unshared_rows(a, b)
    folder = Path(sides.root, "tables")
    write_table(comparison, folder / "comparison.csv")
    write_table(unshared, folder / "unshared.csv")
    with whole_file(sides.summary) as temporary:
        text = summary_text(comparison, unshared, sides.a, sides.b)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_side(side: str) -> pd.DataFrame:
    """A side's rows of scores.csv with the `path` of each one's records, "" if it has none, and
    the `answer_pattern` of its set.

    Raises StudyError for a table that is not one of scores.
    """
    if not Path(side).is_dir():
        table = read_layout(side, "scores")
        return from_rows(list(table.rows), "scores").assign(path="", answer_pattern=None)
    scores = read_table(Path(scores_file(side)), NEW_COLUMNS)
    return scores.merge(_paths(Path(side)), on=_IDENTITY, how="left").fillna({"path": ""})


def _paths(folder: Path) -> pd.DataFrame:
    """Paths of the records of a study's cells and their sets' answer patterns, by IDENTITY; the
    folder may have been moved."""
    config = folder / "config.yaml"
    columns = {name: KEY_COLUMNS[name] for name in IDENTITY}
    rows = []
    if config.is_file() and load_merged(config).study.scores is None:
        # results/STUDY/FAMILY/… -> FOLDER/FAMILY/…
        merged = read_merged(str(config))
        sets = evaluated_sets(merged.resolved, merged.grid)
        for row in cell_rows(merged):
            path = Path(folder, *Path(row["path"]).parts[2:])
            pattern = sets[row["eval_set"]].answer_pattern
            there = str(path) if path.is_file() else ""
            rows.append({**row, "path": there, "answer_pattern": pattern})
    frame = pd.DataFrame(rows, columns=[*columns, "path", "answer_pattern"])
    return frame.astype({name: "Int64" for name, kind in columns.items() if kind == "int"})


def comparison_rows(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """comparison.csv of two sides, rows as from `read_side`.

    `difference` is b less a. If both have records with the same items and gold answers, it is over
    items: paired bootstrap and sign-flip test as in changes.csv. Else, if both standard errors are
    known, it has the normal interval and test of two independent scores, which is too wide if the
    items are the same. Else neither. q-values are within the table.
    """
    of_b = b[[*_IDENTITY, "n", "score", "se", "path", "answer_pattern"]]
    shared = a.merge(of_b, on=_IDENTITY, suffixes=("", "_b"))
    shared = shared.sort_values(ORDER_KEYS, ignore_index=True)
    settings = StatisticsSettings()
    table = _from_errors(shared, settings.level)
    # One set at a time, so that memory holds only its records.
    for _, of_set in shared.groupby("eval_set", sort=True):
        pairs = {
            place: pair for place, row in of_set.iterrows() if (pair := _pair(row)) is not None
        }
        for places in _of_equal_units(pairs):
            estimates = _over_items([pairs[place] for place in places], settings)
            table.loc[places, ["low", "high", "p_value"]] = estimates
            table.loc[places, "n"] = len(pairs[places[0]].difference)
            table.loc[places, "paired"] = ITEMS
    table["q_value"] = q_values_within(table, [])
    return typed(table[list(columns_of("comparison"))], "comparison")


def _from_errors(shared: pd.DataFrame, level: float) -> pd.DataFrame:
    """Differences from scores and their standard errors."""
    difference = (shared["score_b"] - shared["score"]).to_numpy(dtype=float)
    error = np.hypot(shared["se"].to_numpy(dtype=float), shared["se_b"].to_numpy(dtype=float))
    known = error > 0
    half = np.where(known, norm.ppf((1 + level) / 2) * error, np.nan)
    size = np.divide(np.abs(difference), error, out=np.full(len(error), np.nan), where=known)
    return shared[list(KEY_COLUMNS)].assign(
        a_score=shared["score"],
        b_score=shared["score_b"],
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_value=2 * norm.sf(size),
        n=shared["n"].where(shared["n"].eq(shared["n_b"]).fillna(False)),
        paired=np.where(known, ERRORS, ALONE),
    )


def _pair(cells: pd.Series) -> Pair | None:
    """Two cells' records of the same items; None if the items are not the same."""
    if not cells["path"] or not cells["path_b"]:
        return None
    ours, theirs = read_records(Path(cells["path"])), read_records(Path(cells["path_b"]))
    if len(ours.item) < 2 or not _same(ours, theirs):
        return None
    before = _scores(ours, cells, cells["answer_pattern"])
    after = _scores(theirs, cells, cells["answer_pattern_b"])
    units = ours.context.dictionary_encode().indices.to_numpy().astype(np.int64)
    binary = bool(np.isin([before, after], [0.0, 1.0]).all())
    return Pair(after - before, units, binary)


def _scores(records: Records, cells: pd.Series, pattern: AnswerPattern | None) -> Floats:
    answers = records.prediction.to_pylist()
    if pattern is not None:
        answers = extracted(answers, pattern, str(cells["eval_set"]))
    return item_scores(cells["metric"], answers, records.gold.to_pylist())


def _same(ours: Records, theirs: Records) -> bool:
    """Whether items and gold answers agree; two writers may give equal texts different types."""
    if not ours.item.equals(theirs.item):
        return False
    if ours.gold.equals(theirs.gold):
        return True
    return bool(ours.gold.to_pylist() == theirs.gold.to_pylist())


def _of_equal_units(pairs: dict[int, Pair]) -> list[list[int]]:
    """Places of pairs that can share their draws."""
    groups = defaultdict(list)
    for place, pair in pairs.items():
        groups[pair.units.tobytes()].append(place)
    return list(groups.values())


def _over_items(pairs: Sequence[Pair], settings: StatisticsSettings) -> Floats:
    """Low and high end and p-value of each difference, (pairs, 3); all of the same units."""
    units = pairs[0].units
    sums = unit_sums(np.column_stack([pair.difference for pair in pairs]), units)
    sizes = unit_sizes(units)
    p_values = sign_flip_p_values(sums, PERMUTATIONS, settings.seed)
    ends = np.full((len(pairs), 2), np.nan)
    if len(sizes) > 1:
        drawn = resampled_means(sums, sizes, settings.resamples, settings.seed)
        ends = interval_of(drawn, expanded(settings.level, len(sizes)))
        found = Estimates(means(sums, sizes), standard_errors(sums, sizes), *ends.T)
        binary = np.array([pair.binary for pair in pairs])
        found = of_differences(found, binary, sizes, np.ones(len(pairs)), settings.level)
        ends = np.column_stack([found.low, found.high])
    return np.column_stack([ends, p_values])


def unshared_rows(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """unshared.csv: the cells of one side only."""
    sides = []
    for side, own, other in (("a", a, b), ("b", b, a)):
        found = own.merge(other[_IDENTITY], on=_IDENTITY, how="left", indicator=True)
        sides.append(found[found["_merge"] == "left_only"].assign(side=side))
    rows = pd.concat(sides).sort_values(["side", *ORDER_KEYS])
    return typed(rows[list(columns_of("unshared"))], "unshared")


def summary_text(comparison: pd.DataFrame, unshared: pd.DataFrame, a: str, b: str) -> str:
    """The comparison in words and numbers."""
    difference = comparison["difference"]
    counts = comparison["paired"].value_counts()
    tested = comparison[comparison["q_value"].notna()]
    alone = unshared["side"].value_counts()
    lines = [
        f"a: {a}",
        f"b: {b}",
        f"{len(comparison):,} cells of both; {alone.get('a', 0):,} of a alone, "
        f"{alone.get('b', 0):,} of b alone",
        f"compared over items {counts.get(ITEMS, 0):,}, by standard errors "
        f"{counts.get(ERRORS, 0):,}, from scores alone {counts.get(ALONE, 0):,}",
        f"b less a: mean {difference.mean():+.4f}, mean size {difference.abs().mean():.4f}",
        f"differ at q < {Q}: {int((tested['q_value'] < Q).sum()):,} of {len(tested):,} tested",
    ]
    order = difference.abs().sort_values(ascending=False, kind="stable").index
    moved = comparison.loc[order].query("difference != 0").head(NAMED)
    if not moved.empty:
        lines.append("largest differences:")
        lines += [_row_text(row) for _, row in moved.iterrows()]
    return "\n".join(lines)


def _row_text(row: pd.Series) -> str:
    tested = "" if pd.isna(row["q_value"]) else f", q {row['q_value']:.3g}"
    span = "" if pd.isna(row["low"]) else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"  {row['difference']:+.4f}{span}{tested}: {describe(row)}"


def _first(side: pd.DataFrame) -> str:
    return describe(side.iloc[0]) if len(side) else "nothing"
