"""Base scores are of one half of the items, changes of the other; contexts are never divided."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import DRAWING
from unit.stats.test_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.tables.catalogue import columns_of

TUNED = {"recipe": "full", "train_set": "nli_people", "role": "id", "shots": 0}


def halves(
    folder: Path, base: Any, *tuned: Any, contexts: list[str] | None = None, **drawing: Any
) -> pd.DataFrame:
    """halves.csv of a base cell and of a tuned cell per seed, with these scores."""
    cells = [cell(folder / "base", base)]
    cells += [cell(folder / str(k), own, **TUNED, seed=k) for k, own in enumerate(tuned)]
    if contexts:
        for one in cells:
            records = pd.read_parquet(one["path"])
            records.assign(context=contexts).to_parquet(one["path"])
    return cell_tables(cells, **{**DRAWING, **drawing})["halves"]


def marked(count: int) -> Any:
    """Scores such that a sum tells which of them are in it."""
    return 0.5 ** np.arange(1, count + 1)


def items_of(mean: float, size: int, count: int) -> set[int]:
    """Which `size` of the scores `marked(count)` have this mean."""
    bits = round(mean * size * 2.0**count)
    found = {item for item in range(count) if bits >> (count - 1 - item) & 1}
    assert len(found) == size
    return found


def divided(table: pd.DataFrame, size: int, count: int) -> tuple[set[int], set[int]]:
    """The items of the base score, of which there are `size`, and of the change; both of scores
    `marked(count)`."""
    base, tuned = table.iloc[0], table.iloc[1]
    return (
        items_of(base["first_score"], size, count),
        items_of(tuned["second_change"], count - size, count),
    )


@pytest.mark.parametrize("count", [4, 11, 30])
def test_the_halves_share_no_item_and_leave_none(tmp_path: Path, count: int) -> None:
    table = halves(tmp_path, marked(count), 2 * marked(count))
    first, second = divided(table, -(-count // 2), count)
    assert not first & second
    assert first | second == set(range(count))
    other = halves(tmp_path, marked(count), 2 * marked(count), seed=1)
    assert count == 4 or divided(other, -(-count // 2), count)[0] != first


def test_a_context_is_in_one_half(tmp_path: Path) -> None:
    """Eight stories of three questions each, mixed."""
    stories = [f"story-{item % 8}" for item in range(24)]
    table = halves(tmp_path, marked(24), 2 * marked(24), contexts=stories)
    first, second = divided(table, 12, 24)
    assert {item % 8 for item in first}.isdisjoint(item % 8 for item in second)
    assert first | second == set(range(24))


def test_base_has_a_score_and_tuned_cells_a_change(tmp_path: Path) -> None:
    table = halves(tmp_path, marked(10), 2 * marked(10))
    assert list(table.columns) == list(columns_of("halves"))
    base, tuned = table.iloc[0], table.iloc[1]
    assert (base["recipe"], tuned["recipe"]) == ("base", "full")
    assert base[["second_change", "second_se"]].isna().all()
    assert tuned[["first_score", "first_se"]].isna().all()
    first, second = (np.take(marked(10), sorted(own)) for own in divided(table, 5, 10))
    assert base["first_se"] == pytest.approx(first.std(ddof=1) / np.sqrt(5))
    assert tuned["second_se"] == pytest.approx(second.std(ddof=1) / np.sqrt(5))


def test_seeds_are_averaged_and_widen_the_error(tmp_path: Path) -> None:
    base = np.full(20, 0.2)
    table = halves(tmp_path, base, *(base + more for more in (0.1, 0.2, 0.3)))
    assert len(table) == 2
    tuned = table.iloc[1]
    assert tuned["second_change"] == pytest.approx(0.2)
    # All items change alike, so that only the seeds differ.
    assert tuned["second_se"] == pytest.approx(0.1 / np.sqrt(3))


@pytest.mark.parametrize("items", [2, 3])
def test_fewer_than_4_items_are_not_divided(tmp_path: Path, items: int) -> None:
    table = halves(tmp_path, marked(items), 2 * marked(items))
    assert table["first_score"].iloc[0] == pytest.approx(marked(items).mean())
    assert table["second_change"].iloc[1] == pytest.approx(marked(items).mean())


def test_a_tuned_cell_without_base_has_no_change(tmp_path: Path) -> None:
    alone = cell(tmp_path / "alone", marked(10), **TUNED, seed=1)
    row = cell_tables([alone], **DRAWING)["halves"].iloc[0]
    assert row[["first_score", "first_se", "second_change", "second_se"]].isna().all()


def test_a_base_score_that_is_low_by_chance_makes_no_change_large(tmp_path: Path) -> None:
    """At 60 checkpoints nothing is planted. On the same items a change falls with the score it is
    held against; on separate halves, it does not."""
    generator, cells = np.random.default_rng(0), []
    for step in range(60):
        key = {"step": step, "checkpoint": str(step)}
        base, tuned = generator.uniform(size=(2, 16))
        cells.append(cell(tmp_path / f"base{step}", base, **key))
        cells.append(cell(tmp_path / f"tuned{step}", tuned, **key, **TUNED, seed=1))
    tables = cell_tables(cells, **{**DRAWING, "resamples": 2, "permutations": 9})
    halved, whole = (
        table.groupby("step")[list(names)].first().corr().iloc[0, 1]
        for table, names in (
            (tables["halves"], ("first_score", "second_change")),
            (tables["seed_means"].query("recipe == 'full'"), ("base_score", "change")),
        )
    )
    assert whole < -0.5
    # Three standard errors of a correlation of 60.
    assert abs(halved) < 0.39


def test_a_half_on_which_all_texts_score_0_is_not_certain(tmp_path: Path) -> None:
    """An error of 0 would make that of the whole curve unknown."""
    tables = []
    for seed in range(4):
        (tmp_path / str(seed)).mkdir()
        tables.append(halves(tmp_path / str(seed), [0.4, *[0.0] * 19], seed=seed))
    first = pd.concat(tables).query("recipe == 'base'")
    assert set(first["first_score"] == 0) == {True, False}
    assert (first["first_se"] > 0).all()
