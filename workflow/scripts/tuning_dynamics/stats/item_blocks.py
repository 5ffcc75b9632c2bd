"""Cells scored on the same items, read once and resampled together.

A block is all cells of one evaluation set at some of the checkpoints, never part of a checkpoint:
so a tuned cell and its base, the seeds of a recipe and the formats of a variant are in one block.
Memory holds one block, however many cells a study has.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.grid.evaluated_sets import EvaluatedSet
from tuning_dynamics.stats.bootstrap import (
    Estimates,
    Floats,
    Integers,
    accelerations,
    bca_interval,
    expanded,
    interval_of,
    means,
    resampled_means,
    standard_errors,
    unit_sizes,
    unit_sums,
)
from tuning_dynamics.stats.cells import describe
from tuning_dynamics.stats.degenerate import chosen_options, commonest_share
from tuning_dynamics.stats.extraction import extracted
from tuning_dynamics.stats.item_answers import CellItems, Codes, ItemAnswers, answers_of, codes
from tuning_dynamics.stats.item_intervals import of_differences, of_shares
from tuning_dynamics.stats.item_scores import item_scores
from tuning_dynamics.stats.option_measures import MEASURES, Options, item_measures, options_of
from tuning_dynamics.stats.records import Records, read_option_scores, read_records
from tuning_dynamics.tables.columns import KEY_COLUMNS

# Limit of a block's scores or draws, in numbers of 8 bytes: 48 MiB; a pass holds about seven times
# as much at its peak (benchmarks/bootstrap.py).
BLOCK_NUMBERS = 6 * 2**20


#: Of a cell: its items' scores, how many prompts were truncated, share of the commonest answer.
Scored = tuple[Floats, int, float]


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: number of resamples, coverage, seed and method."""

    resamples: int
    level: float
    seed: int
    interval: Literal["percentile", "bca"] = "percentile"


@dataclass(frozen=True)
class ItemBlock:
    """Cells of one evaluation set, over the same items.

    `cells` has a row per cell, with its key columns, `refused` one per cell of the study on this
    set, at any checkpoint, that was refused. Units are what is resampled: items, or contexts if
    items share them. `sums` is (units, cells), each unit's sum of scores;
    `sizes` (units,), each unit's items; `drawn` (resamples, cells), means of resampled units.
    `binary` (cells,): whether all of a cell's scores are 0 or 1. By cell: `truncated` prompts, the
    share of items with the `commonest` answer, and the records' `paths`. `answers` are the cells'
    items one by one, None where only scores are known.
    """

    cells: pd.DataFrame
    refused: pd.DataFrame
    sums: Floats
    sizes: Floats
    drawn: Floats
    binary: NDArray[np.bool_]
    truncated: NDArray[np.int64]
    commonest: Floats
    paths: list[str]
    resampling: Resampling
    answers: ItemAnswers | None = None

    @property
    def items(self) -> int:
        """Number of items."""
        return int(self.sizes.sum())

    @property
    def asked(self) -> pd.DataFrame:
        """`cells`, then `refused`: a choice among all of them does not depend on refusals."""
        return pd.concat([self.cells, self.refused], ignore_index=True)

    def measured(self, measure: str) -> tuple[Integers, "ItemBlock"]:
        """The rows of the cells that have a measure of options, and these cells with its values in
        place of scores, and no answers. A block with answers; one cell at least has the measure."""
        assert self.answers is not None
        measures = self.answers.measures
        rows = np.flatnonzero([measure in of_cell for of_cell in measures])
        values = np.column_stack([measures[row][measure] for row in rows])
        sums, drawing = unit_sums(values, self.answers.units), self.resampling
        block = replace(
            self,
            cells=self.cells.iloc[rows].reset_index(drop=True),
            sums=sums,
            drawn=resampled_means(sums, self.sizes, drawing.resamples, drawing.seed),
            binary=np.zeros(len(rows), dtype=bool),
            truncated=self.truncated[rows],
            commonest=self.commonest[rows],
            paths=[self.paths[row] for row in rows],
            answers=None,
        )
        return rows, block

    def means(self, weights: csr_array) -> Estimates:
        """Estimates of cells' scores or means of them; `weights` (cells, means) add up to 1."""
        found = self.estimates(weights)
        return of_shares(found, self.all_binary(weights), self.sizes, self.resampling.level)

    def differences(self, weights: csr_array) -> Estimates:
        """Estimates of differences of two means of cells; `weights` (cells, differences) add up to
        1 and to -1."""
        replicates = 2 / np.asarray((weights**2).sum(axis=0), dtype=float)
        found, binary = self.estimates(weights), self.all_binary(weights)
        return of_differences(found, binary, self.sizes, replicates, self.resampling.level)

    def all_binary(self, weights: csr_array) -> NDArray[np.bool_]:
        """Which columns of `weights` (cells, n) have only binary cells; (n,)."""
        return np.asarray((abs(weights).T @ (~self.binary).astype(float)) == 0)

    def estimates(self, weights: csr_array) -> Estimates:
        """Estimates of weighted sums of cells by the bootstrap; `weights` is (cells, sums)."""
        sums, drawn = self.sums @ weights, self.drawn @ weights
        value = means(sums, self.sizes)
        level = expanded(self.resampling.level, len(self.sizes))
        if self.resampling.interval == "bca":
            ends = bca_interval(drawn, value, accelerations(sums, self.sizes), level)
        else:
            ends = interval_of(drawn, level)
        return Estimates(value, standard_errors(sums, self.sizes), ends[:, 0], ends[:, 1])


def averaged(rows: Integers, groups: Integers, cells: int) -> csr_array:
    """Weights (cells, groups) of the means over the rows of each group."""
    shares = 1.0 / np.bincount(groups)[groups] if len(groups) else np.empty(0)
    shape = (cells, int(groups.max(initial=-1)) + 1)
    return csr_array((shares, (rows, groups)), shape=shape)


def selected(rows: NDArray[np.int64], cells: int) -> csr_array:
    """Weights (cells, len(rows)) that select one cell per column."""
    ones = np.ones(len(rows))
    return csr_array((ones, (rows, np.arange(len(rows)))), shape=(cells, len(rows)))


def blocks(
    cells: pd.DataFrame,
    refused: pd.DataFrame,
    resampling: Resampling,
    sets: Mapping[str, EvaluatedSet],
) -> Iterator[ItemBlock]:
    """The blocks of `cells` (key columns and `path`), each file read once.

    `refused` has the key columns of the cells that were refused; scores of options are read for
    `sets` alone. Raises StudyError for a missing or broken file, for fewer than 2 items or
    contexts, if the cells of one evaluation set have different items or gold answers, and as for
    `item_scores`, `extracted`, `options_of` and `item_measures`.
    """
    for eval_set, of_set in cells.groupby("eval_set", sort=True):
        reader = _SameItems(str(eval_set), sets.get(str(eval_set)))
        lost = refused.loc[refused["eval_set"] == eval_set, list(KEY_COLUMNS)]
        points: list[pd.DataFrame] = []
        scored: list[CellItems] = []
        for _, point in of_set.groupby(["family", "step"], sort=False):
            points.append(point)
            # Texts of all cells would take most of the memory: only numbers are kept.
            scored += [reader.scored(row) for _, row in point.iterrows()]
            longest = max(len(scored[0].scores), resampling.resamples)
            if len(scored) * longest >= BLOCK_NUMBERS:
                yield _block(pd.concat(points), lost, scored, reader, resampling)
                points, scored = [], []
        if points:
            yield _block(pd.concat(points), lost, scored, reader, resampling)


def _block(
    cells: pd.DataFrame,
    refused: pd.DataFrame,
    scored: list[CellItems],
    reader: "_SameItems",
    resampling: Resampling,
) -> ItemBlock:
    return block_of(
        cells,
        refused,
        np.column_stack([cell.scores for cell in scored]),
        reader.units,
        resampling,
        truncated=[cell.truncated for cell in scored],
        commonest=[cell.commonest for cell in scored],
        answers=answers_of(scored, reader.units, reader.gold_codes),
    )


def block_of(
    cells: pd.DataFrame,
    refused: pd.DataFrame,
    scores: Floats,
    units: Integers,
    resampling: Resampling,
    *,
    truncated: Sequence[int],
    commonest: Sequence[float],
    answers: ItemAnswers | None = None,
) -> ItemBlock:
    """The block of `scores` (items, cells); `units` is each item's, `truncated` and `commonest`
    each cell's."""
    sizes, sums = unit_sizes(units), unit_sums(scores, units)
    return ItemBlock(
        cells=cells[list(KEY_COLUMNS)].reset_index(drop=True),
        refused=refused,
        sums=sums,
        sizes=sizes,
        drawn=resampled_means(sums, sizes, resampling.resamples, resampling.seed),
        binary=((scores == 0) | (scores == 1)).all(axis=0),
        truncated=np.array(truncated),
        commonest=np.array(commonest),
        paths=[str(path) for path in cells["path"]],
        resampling=resampling,
        answers=answers,
    )


class _SameItems:
    """Reads the cells of one evaluation set, and requires the items of the first from all."""

    def __init__(self, eval_set: str, about: EvaluatedSet | None) -> None:
        self.eval_set, self.about = eval_set, about
        self.first: tuple[Path, Records] | None = None

    @property
    def units(self) -> Integers:
        """Each item's unit of resampling, 0 to u - 1: its context."""
        assert self.first is not None
        codes, _ = pd.factorize(self.first[1].context.to_numpy(zero_copy_only=False))
        return np.asarray(codes)

    @cached_property
    def golds(self) -> list[list[str]]:
        """Each item's right answers."""
        assert self.first is not None
        golds: list[list[str]] = self.first[1].gold.to_pylist()
        return golds

    @cached_property
    def gold_codes(self) -> Codes:
        """The code of each item's first right answer."""
        return codes([gold[0] for gold in self.golds])

    @cached_property
    def options(self) -> Options:
        """The options of all items, in the order of their scores."""
        assert self.first is not None
        assert self.about is not None
        return options_of(self.about, self.first[1].item.to_pylist(), self.golds)

    def scored(self, cell: pd.Series) -> CellItems:
        """A cell's items: scores by its metric, answers and measures."""
        records = self.read(cell)
        answers: list[str] = records.prediction.to_pylist()
        if self.about is not None and self.about.answer_pattern is not None:
            answers = extracted(answers, self.about.answer_pattern, self.eval_set)
        given = answers
        if cell["kind"] == "multiple_choice":
            given = chosen_options(read_option_scores(Path(cell["path"])))
        return CellItems(
            scores=item_scores(cell["metric"], answers, self.golds),
            answers=codes(answers),
            measures=self._measures(records, cell),
            truncated=int(records.truncated.sum()),
            commonest=commonest_share(given),
        )

    def _measures(self, records: Records, cell: pd.Series) -> dict[str, Floats]:
        if records.option_scores is None:
            return {}
        scores, prediction = records.option_scores, str(cell["prediction"])
        return item_measures(scores, self.options, prediction, str(cell["path"]))

    def read(self, cell: pd.Series) -> Records:
        """A cell's records; StudyError if its items, contexts or gold answers differ."""
        path = Path(cell["path"])
        scored = self.about is not None and cell["prediction"] in MEASURES
        records = read_records(path, option_scores=scored)
        if self.first is None:
            self.first = (path, records)
            _require_two(records, path)
        other, first = self.first
        if not records.item.equals(first.item):
            raise self._items_differ(cell, other, first, records)
        for name in ("context", "gold"):
            ours, theirs = getattr(records, name), getattr(first, name)
            if not ours.equals(theirs):
                self._require_equal(name, ours.to_pylist(), theirs.to_pylist(), cell, other)
        return records

    def _items_differ(
        self, cell: pd.Series, other: Path, first: Records, records: Records
    ) -> StudyError:
        only_one = set(first.item.to_pylist()) ^ set(records.item.to_pylist())
        return StudyError(
            f"{len(only_one)} items are scored in only one of two cells of evaluation set "
            f"'{self.eval_set}', first '{min(only_one)}'; the other cell is {other}: "
            f"{describe(cell)}",
            file=cell["path"],
            key="item",
            fix="delete both files and run again, so that both use the frozen split of the data",
        )

    def _require_equal(
        self, name: str, ours: list[object], theirs: list[object], cell: pd.Series, other: Path
    ) -> None:
        differ = sum(mine != yours for mine, yours in zip(ours, theirs, strict=True))
        if differ:
            raise StudyError(
                f"{differ} items have a different {name} in two cells of evaluation set "
                f"'{self.eval_set}'; the other cell is {other}: {describe(cell)}",
                file=cell["path"],
                key=name,
                fix="delete both files and run again, so that both use the frozen split of "
                "the data",
            )


def _require_two(records: Records, path: Path) -> None:
    for what, count in (
        ("items", len(records.item)),
        ("contexts", len(records.context.unique())),
    ):
        if count < 2:
            raise StudyError(
                f"an interval needs at least 2 {what}, but this cell has {count}",
                file=path,
                key="items",
                value=count,
                fix="evaluate more items of this set, from more than one context",
            )
