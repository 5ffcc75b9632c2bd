"""The tables made from cells' records, in one pass over them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
from scipy.sparse import eye_array

from tuning_dynamics.grid.evaluated_sets import EvaluatedSet
from tuning_dynamics.stats.base_pairs import base_rows, unpaired_reason
from tuning_dynamics.stats.cells import ORDER_KEYS, cell_frame
from tuning_dynamics.stats.changes import PERMUTATIONS, change_rows
from tuning_dynamics.stats.comparisons import DRAWLESS, Comparisons
from tuning_dynamics.stats.halves import half_rows
from tuning_dynamics.stats.item_answers import ItemAnswers
from tuning_dynamics.stats.item_blocks import ItemBlock, Resampling, blocks
from tuning_dynamics.stats.item_changes import item_change_rows
from tuning_dynamics.stats.measures import measure_rows
from tuning_dynamics.stats.permutation import q_values_within
from tuning_dynamics.stats.refusals import BASE_REFUSED, REFUSED, leave_out, refused_cells
from tuning_dynamics.stats.scores import score_rows
from tuning_dynamics.stats.seed_agreement import seed_agreement_rows
from tuning_dynamics.stats.seed_means import SEEDLESS_ORDER, seed_mean_rows
from tuning_dynamics.stats.sensitivity import sensitivity_rows
from tuning_dynamics.tables.columns import KEY_COLUMNS
from tuning_dynamics.tables.tables import from_rows, typed

Tables = dict[str, pd.DataFrame]

# How the rows of each table are sorted.
_ORDERS = {
    "scores": ORDER_KEYS,
    "changes": ORDER_KEYS,
    "seed_means": SEEDLESS_ORDER,
    "halves": SEEDLESS_ORDER,
    "sensitivity": ["family", "step", "recipe", "train_set", "seed", "eval_set"],
    "measures": [*ORDER_KEYS, "measure"],
    "item_changes": ORDER_KEYS,
    "seed_agreement": ORDER_KEYS,
}


def cell_tables(
    cells: Sequence[Mapping[str, Any]],
    leaked: Mapping[str, str] | None = None,
    *,
    resamples: int,
    level: float,
    seed: int,
    interval: Literal["percentile", "bca"] = "percentile",
    test_families: Sequence[str] = ("recipe",),
    partial: bool = False,
    permutations: int = PERMUTATIONS,
    sets: Mapping[str, EvaluatedSet] | None = None,
) -> Tables:
    """scores, changes, unpaired, seed_means, halves, sensitivity, measures, item_changes and
    seed_agreement from all cells of a study.

    `cells` are dicts with the key columns and the `path` of each one's records, read once each;
    `leaked` (`stats.leaks`) maps the paths of those that are refused, as their items were seen.
    `interval` is the method of the intervals of scores and changes, `test_families` the columns
    in which the tests of a false-discovery family agree. A tuned cell without a base is a row of
    `unpaired`; so is, with `partial`, a refused cell. Refused cells do not change other rows,
    except for q-values and means over fewer seeds. Without its entry in `sets` an evaluation set
    has no measures of options, and its answers are whole texts.

    Raises StudyError for a repeated cell, a missing or broken file of records, a refused cell
    unless `partial`, fewer than 2 items or contexts, or cells of one evaluation set with different
    items or gold answers.
    """
    frame = cell_frame(cells)
    refused = refused_cells(frame, leaked or {})
    leave_out(refused, len(frame), partial=partial)
    resampling = Resampling(resamples, level, seed, interval)
    scored = frame.drop(index=refused.index)
    found = blocks(scored, refused, resampling, sets or {})
    made = block_tables(found, permutations, test_families)
    return {**made, "unpaired": _unpaired_rows(frame, refused)}


def block_tables(
    of_blocks: Iterable[ItemBlock], permutations: int, test_families: Sequence[str]
) -> Tables:
    """The tables of blocks, but for `unpaired`; arguments as for `cell_tables`.

    Those that compare answers are empty where blocks have none.
    """
    made = [_of_block(block, permutations) for block in of_blocks]
    tables = {
        name: pd.concat([from_rows([], name), *_filled(name, made)]).sort_values(
            order, ignore_index=True
        )
        for name, order in _ORDERS.items()
    }
    q_values = q_values_within(tables["changes"], test_families)
    return {**tables, "changes": tables["changes"].assign(q_value=q_values)}


def _filled(name: str, made: Sequence[Tables]) -> Iterator[pd.DataFrame]:
    """The blocks' tables of a name that have rows."""
    for tables in made:
        if name in tables and len(tables[name]):
            yield tables[name]


def _of_block(block: ItemBlock, permutations: int) -> Tables:
    compared, equal = Comparisons.of(block), Comparisons.of(block, equal_shots=True)
    of_answers = {} if block.answers is None else _of_answers(block, block.answers, compared)
    return {
        "scores": score_rows(block, block.means(eye_array(len(block.cells), format="csr"))),
        "changes": change_rows(block, compared, equal, permutations),
        "seed_means": seed_mean_rows(block, compared),
        "halves": half_rows(block, compared),
        "sensitivity": sensitivity_rows(block),
        **of_answers,
    }


def _of_answers(block: ItemBlock, answers: ItemAnswers, compared: Comparisons) -> Tables:
    return {
        "measures": measure_rows(block, answers),
        "item_changes": item_change_rows(block, answers, compared),
        "seed_agreement": seed_agreement_rows(block, answers),
    }


def _unpaired_rows(cells: pd.DataFrame, refused: pd.DataFrame) -> pd.DataFrame:
    """Rows of unpaired.csv: tuned cells without a base, and refused ones, base among them."""
    base = cells[cells["recipe"] == "base"]
    reasons = (REFUSED + refused["reason"]).to_dict()
    settings = cells.groupby(DRAWLESS, sort=False, dropna=False).ngroup()
    # Of several draws of a base, one that was refused leaves none to compare with.
    lost = refused["reason"].groupby(settings[refused.index]).first().to_dict()
    for row, its_base in base_rows(cells).drop(index=reasons, errors="ignore").items():
        if pd.isna(its_base):
            reasons[row] = unpaired_reason(cells.loc[row], base)
        elif settings[its_base] in lost:
            reasons[row] = BASE_REFUSED + lost[settings[its_base]]
    listed = cells.loc[sorted(reasons), list(KEY_COLUMNS)]
    return typed(listed.assign(reason=listed.index.map(reasons)), "unpaired")
