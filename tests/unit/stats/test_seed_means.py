"""Means over seeds: the scores' own mean, with an interval over seeds and items."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import DRAWING, refuse
from unit.stats.test_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.denominators import denominator_rows
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


# --- draws of demonstrations -------------------------------------------------------------------


def drawn(folder: Path, *draws: Any, tuned: Any = None) -> list[dict[str, Any]]:
    """A base cell for each draw of demonstrations, with these scores, and a tuned cell."""
    cells = [
        cell(folder / f"draw{number}", scores, draw=number) for number, scores in enumerate(draws)
    ]
    key = {"recipe": "full", "train_set": "nli_people", "seed": 1, "role": "id", "shots": 0}
    scores = np.full(len(draws[0]), 0.6) if tuned is None else tuned
    return [*cells, cell(folder / "tuned", scores, **key)]


def test_a_change_is_tuned_less_the_mean_over_draws_of_the_base(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    scores, after = generator.uniform(size=(3, 40)), generator.uniform(size=40)
    tables = cell_tables(drawn(tmp_path, *scores, tuned=after), **DRAWING)
    (change,) = tables["changes"].to_dict("records")
    tuned, base = tuned_row(tables), tables["seed_means"].query("recipe == 'base'").iloc[0]
    assert (base["draws"], tuned["draws"], tuned["seeds"]) == (3, 1, 1)
    assert base["score"] == pytest.approx(scores.mean())
    for row in (change, tuned):
        assert row["base_score"] == pytest.approx(scores.mean())
        assert row["change"] == pytest.approx(after.mean() - scores.mean())
    for name in ("change_low", "change_high"):
        assert tuned[name] == pytest.approx(change[name])
    # Paired: a sign-flip test of tuned less the mean of draws agrees with the t-test of the same.
    expected = stats.ttest_rel(after, scores.mean(axis=0)).pvalue
    assert change["p_value"] == pytest.approx(expected, abs=0.02)


def test_draws_that_differ_widen_the_intervals_as_students_t_says(tmp_path: Path) -> None:
    """Items are all alike, so that draws alone matter."""
    tables = cell_tables(drawn(tmp_path, *(np.full(40, s) for s in (0.3, 0.4, 0.5))), **DRAWING)
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    base = tables["seed_means"].query("recipe == 'base'").iloc[0]
    assert (base["ci_low"], base["ci_high"]) == pytest.approx((0.4 - half, 0.4 + half))
    for row in (tuned_row(tables), tables["changes"].iloc[0]):
        ends = (row["change_low"], row["change_high"])
        assert ends == pytest.approx((0.2 - half, 0.2 + half))


def test_more_spread_of_draws_makes_wider_intervals(tmp_path: Path) -> None:
    items = np.random.default_rng(0).uniform(0.2, 0.8, size=40)
    widths = []
    for spread in (0.0, 0.05, 0.1):
        cells = drawn(tmp_path, *(items + spread * place for place in (-1, 0, 1)))
        row = tuned_row(cell_tables(cells, **DRAWING))
        widths.append(row["change_high"] - row["change_low"])
    assert widths[0] < widths[1] < widths[2]


def test_seeds_and_draws_of_the_base_both_count(tmp_path: Path) -> None:
    """Items are all alike; the variances of both means add up."""
    seeds, draws = (0.5, 0.6, 0.7, 0.8), (0.35, 0.4)
    cells = drawn(tmp_path, *(np.full(40, s) for s in draws))[:-1]
    key = {"recipe": "full", "train_set": "nli_people", "role": "id", "shots": 0}
    for number, score in enumerate(seeds):
        cells.append(cell(tmp_path / f"s{number}", np.full(40, score), **key, seed=number))
    row = tuned_row(cell_tables(cells, **DRAWING))
    assert row["change"] == pytest.approx(0.275)
    error = np.sqrt(np.var(seeds, ddof=1) / 4 + np.var(draws, ddof=1) / 2)
    half = row["change_high"] - row["change"]
    assert half == pytest.approx(row["change"] - row["change_low"])
    assert stats.norm.ppf(0.975) * error < half < stats.t.ppf(0.975, 1) * error


def test_a_refused_draw_of_the_base_leaves_tuned_cells_without_a_change(tmp_path: Path) -> None:
    cells = drawn(tmp_path, *(np.full(40, s) for s in (0.3, 0.4, 0.5)))
    refuse(cells[1]["path"], "item 3 has no right answer to choose")
    tables = cell_tables(cells, **DRAWING, partial=True)
    assert tables["changes"].empty
    assert tables["seed_means"]["change"].isna().all()
    assert tables["halves"]["second_change"].isna().all()
    assert tables["seed_means"].query("recipe == 'base'")["draws"].tolist() == [2]
    unpaired = tables["unpaired"].set_index("recipe")["reason"]
    assert unpaired.to_dict() == {
        "base": "refused: item 3 has no right answer to choose",
        "full": "its base cell was refused: item 3 has no right answer to choose",
    }


def test_ratios_divide_by_the_mean_over_draws(tmp_path: Path) -> None:
    """One draw is at chance, the mean is not; the flag is that of the mean."""
    tables = cell_tables(drawn(tmp_path, *(np.full(40, s) for s in (0.4, 0.5, 0.6))), **DRAWING)
    (row,) = denominator_rows(tables["seed_means"], {"nli_people": 0.2}).to_dict("records")
    assert (row["base_score"], row["flag"]) == (pytest.approx(0.5), "")
    assert tables["changes"]["ratio"].tolist() == pytest.approx([0.1 / 0.5])
    (row,) = denominator_rows(tables["seed_means"], {"nli_people": 0.3}).to_dict("records")
    # The interval over draws reaches below.
    assert row["ci_low"] < 0.3
    assert row["flag"] == "at_chance"
