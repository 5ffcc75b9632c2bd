"""Means over seeds: the scores' own mean, with an interval over seeds and items."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import DRAWING
from unit.stats.test_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.tables.catalogue import columns_of


def study(folder: Path, *seeds: Any, **key: Any) -> dict[str, pd.DataFrame]:
    """The tables of a base cell and of one cell a seed, with these scores."""
    items = len(seeds[0])
    cells = [cell(folder / "base", np.linspace(0, 0.5, items), **key)]
    for number, scores in enumerate(seeds):
        tuned = {"recipe": "full", "train_set": "nli_people", "seed": number, "role": "id"}
        cells.append(cell(folder / f"{number}", scores, **{**key, **tuned}, shots=0))
    return cell_tables(cells, **DRAWING)


def tuned_row(tables: dict[str, pd.DataFrame]) -> pd.Series:
    table = tables["seed_means"]
    return table[table["recipe"] == "full"].iloc[0]


def test_one_seed_has_the_interval_over_items(tmp_path: Path) -> None:
    tables = study(tmp_path, np.random.default_rng(0).uniform(size=50))
    row, score = tuned_row(tables), tables["scores"].iloc[1]
    change = tables["changes"].iloc[0]
    assert list(tables["seed_means"].columns) == list(columns_of("seed_means"))
    assert (row["seeds"], row["n"]) == (1, 50)
    for name in ("score", "ci_low", "ci_high"):
        assert row[name] == pytest.approx(score[name], abs=1e-12)
    for name in ("base_score", "change", "change_low", "change_high"):
        assert row[name] == pytest.approx(change[name], abs=1e-12)


def test_base_has_a_row_without_seeds_and_change(tmp_path: Path) -> None:
    tables = study(tmp_path, [0.1, 0.2, 0.3])
    base = tables["seed_means"].iloc[0]
    assert base["recipe"] == "base"
    assert base["score"] == pytest.approx(0.25)
    assert base["ci_high"] > base["ci_low"]
    assert base[["seeds", "base_score", "change", "change_low", "change_high"]].isna().all()


def test_seeds_that_agree_leave_the_interval_over_items(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).uniform(size=50)
    row = tuned_row(study(tmp_path, scores, scores, scores))
    alone = tuned_row(study(tmp_path, scores))
    assert row["seeds"] == 3
    assert row[["ci_low", "ci_high"]].tolist() == pytest.approx(
        alone[["ci_low", "ci_high"]].tolist(), abs=1e-12
    )


def test_seeds_that_differ_widen_the_interval_as_students_t_says(tmp_path: Path) -> None:
    """Items all alike, so that seeds alone matter: the t interval of three numbers."""
    row = tuned_row(study(tmp_path, *(np.full(40, score) for score in (0.3, 0.4, 0.5))))
    half = 4.302653 * 0.1 / np.sqrt(3)
    assert row[["ci_low", "ci_high"]].tolist() == pytest.approx([0.4 - half, 0.4 + half])


def test_an_interval_of_two_seeds_ends_where_scores_end(tmp_path: Path) -> None:
    row = tuned_row(study(tmp_path, np.full(40, 0.2), np.full(40, 0.8)))
    assert row[["ci_low", "ci_high"]].tolist() == [0, 1]
    assert row[["change_low", "change_high"]].tolist() == [-1, 1]


def test_a_mean_over_seeds_is_of_one_checkpoint_and_format(tmp_path: Path) -> None:
    tuned = {"recipe": "full", "train_set": "nli_people", "role": "id", "shots": 0}
    cells = [
        cell(
            tmp_path / f"{step}{name}{seed}",
            [0.1 * seed, 0.2 * seed],
            **{**tuned, "step": step, "checkpoint": str(step), "format": name, "seed": seed},
        )
        for step in (10, 20)
        for name in ("default", "io")
        for seed in (1, 2, 3)
    ]
    table = cell_tables(cells, **DRAWING)["seed_means"]
    assert table[["step", "format", "seeds"]].values.tolist() == [
        [10, "default", 3],
        [10, "io", 3],
        [20, "default", 3],
        [20, "io", 3],
    ]
    assert table["score"].tolist() == pytest.approx([0.3] * 4)
    assert table["change"].isna().all()
