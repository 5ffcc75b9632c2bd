"""Tuned against base over the same items, with a test that keeps its level."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import DRAWING, records_of
from unit.stats.test_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.permutation import q_values, q_values_within, sign_flip_p_values
from tuning_dynamics.tables.catalogue import columns_of

TUNED = {"recipe": "full", "train_set": "nli_people", "seed": 1, "role": "id", "shots": 0}


def pair(tmp_path: Path, before: Any, after: Any, **tuned: Any) -> list[dict[str, Any]]:
    return [
        cell(tmp_path / "base", before),
        cell(tmp_path / "tuned", after, **{**TUNED, **tuned}),
    ]


def change_rows(cells: list[dict[str, Any]], **more: Any) -> pd.DataFrame:
    """changes.csv of the cells."""
    return cell_tables(cells, **DRAWING, **more)["changes"]


def sign_flip_p_value(differences: Any, permutations: int, seed: int) -> float:
    """The p-value of one pair of cells."""
    return float(sign_flip_p_values(np.asarray(differences)[:, None], permutations, seed)[0])


def test_a_change_is_paired(tmp_path: Path) -> None:
    difficulty = np.random.default_rng(0).uniform(size=100)
    cells = pair(tmp_path, difficulty * 0.8, difficulty * 0.8 + 0.1)
    table = change_rows(cells)
    row = table.iloc[0]
    assert list(table.columns) == list(columns_of("changes"))
    assert row["change"] == pytest.approx(0.1)
    # Every item changed by the same amount, so pairing leaves no uncertainty.
    assert (row["change_low"], row["change_high"]) == pytest.approx((0.1, 0.1))
    assert row["ratio"] == pytest.approx(0.1 / (0.8 * difficulty.mean()))
    assert row["p_value"] == pytest.approx(2**-99)


def test_right_answers_have_bonett_and_prices_interval(tmp_path: Path) -> None:
    """60 items, of which 9 get better and 4 worse; one more of each is counted."""
    before = np.repeat([0.0, 1.0, 0.0, 1.0], [9, 4, 20, 27])
    after = np.repeat([1.0, 0.0, 0.0, 1.0], [9, 4, 20, 27])
    row = change_rows(pair(tmp_path, before, after)).iloc[0]
    better, worse = 10 / 62, 5 / 62
    error = np.sqrt((better + worse - (better - worse) ** 2) / 62)
    ends = stats.norm.interval(0.95, loc=better - worse, scale=error)
    assert row["change"] == pytest.approx(5 / 60)
    # Ours has n - 1 in the variance of the 60 items.
    assert (row["change_low"], row["change_high"]) == pytest.approx(ends, abs=0.002)


def test_right_answers_that_all_stay_leave_uncertainty(tmp_path: Path) -> None:
    row = change_rows(pair(tmp_path, [0.0, 1.0] * 20, [0.0, 1.0] * 20)).iloc[0]
    assert row["change"] == 0
    assert row["change_low"] == pytest.approx(-row["change_high"])
    assert row["change_high"] == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(2) / 42)


def test_pairing_is_by_item_and_not_by_row(tmp_path: Path) -> None:
    scores = np.linspace(0, 1, 11)
    cells = pair(tmp_path, scores, scores)
    records_of(scores).iloc[::-1].to_parquet(cells[1]["path"])
    row = change_rows(cells).iloc[0]
    assert (row["change"], row["p_value"]) == (0.0, 1.0)


def test_a_ratio_over_almost_nothing_is_left_empty(tmp_path: Path) -> None:
    for base, empty in ((RATIO_FLOOR - 0.001, True), (RATIO_FLOOR + 0.001, False), (0.0, True)):
        cells = pair(tmp_path, [base] * 10, [0.5] * 10)
        assert np.isnan(change_rows(cells)["ratio"].iloc[0]) == empty


def test_of_several_draws_base_is_the_mean(tmp_path: Path) -> None:
    bases = [
        cell(tmp_path / f"{draw}{shots}", [value] * 4, draw=draw, shots=shots)
        for draw, shots, value in ((2, 4, 0.1), (1, 4, 0.2), (0, 2, 0.3))
    ]
    tuned = cell(tmp_path / "tuned", [0.5] * 4, **TUNED)
    rows = change_rows([*bases, tuned])
    assert len(rows) == 1
    # Of those with most shots, though there is no draw 0 of them.
    assert rows["base_score"].iloc[0] == pytest.approx(0.15)


def test_base_is_chosen_by_format_then_by_shots(tmp_path: Path) -> None:
    bases = [
        cell(tmp_path / f"{fmt}{shots}", [value] * 4, format=fmt, shots=shots)
        for fmt, shots, value in (
            ("default", 0, 0.1),
            ("default", 4, 0.2),
            ("io", 0, 0.3),
            ("io", 2, 0.4),
        )
    ]
    for fmt, expected in (("default", 0.2), ("io", 0.4), ("instruct", 0.2)):
        tuned = cell(tmp_path / "tuned", [0.5] * 4, **TUNED, format=fmt)
        row = change_rows([*bases, tuned]).iloc[0]
        assert row["base_score"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"step": 20, "checkpoint": "20"}, "no base cell of this checkpoint"),
        ({"eval_set": "b"}, "no base cell of this eval set"),
        ({"family": "b"}, "no base cell of this family"),
        ({"prediction": "free"}, "no base cell of this prediction"),
    ],
)
def test_a_tuned_cell_without_base_is_said_with_the_reason(
    tmp_path: Path, other: dict[str, Any], reason: str
) -> None:
    tables = cell_tables(pair(tmp_path, [0.1, 0.2], [0.1, 0.2], **other), **DRAWING)
    assert tables["changes"].empty
    (row,) = tables["unpaired"].to_dict("records")
    assert reason in row["reason"]
    assert row["recipe"] == "full"
    assert {name: row[name] for name in other} == other
    assert len(tables["scores"]) == 2


def test_a_base_in_another_format_than_default_is_no_base(tmp_path: Path) -> None:
    base = cell(tmp_path / "base", [0.1, 0.2], format="io")
    tuned = cell(tmp_path / "tuned", [0.1, 0.2], **TUNED)
    tables = cell_tables([base, tuned], **DRAWING)
    assert tables["unpaired"]["reason"].tolist() == [
        "base is evaluated in format io, not in default or default"
    ]
    assert tables["seed_means"]["change"].isna().all()


def test_a_study_of_base_alone_has_no_changes(tmp_path: Path) -> None:
    assert change_rows([cell(tmp_path / "a", [0.1, 0.2])]).empty


def many_changes(tmp_path: Path) -> list[dict[str, Any]]:
    generator = np.random.default_rng(2)
    base = generator.uniform(size=40)
    cells = [cell(tmp_path / "base", base)]
    for number in range(6):
        after = np.clip(base + generator.normal(0.02 * number, 0.1, size=40), 0, 1)
        recipe = "full" if number < 4 else "lora"
        key = {**TUNED, "recipe": recipe, "seed": number}
        cells.append(cell(tmp_path / f"{number}", after, **key))
    return cells


@pytest.mark.parametrize("families", [["recipe"], [], ["family", "seed"]])
def test_false_discoveries_are_controlled_within_the_declared_families(
    tmp_path: Path, families: list[str]
) -> None:
    table = change_rows(many_changes(tmp_path), test_families=families)
    groups = table.groupby(families) if families else [("all", table)]
    for _, rows in groups:
        expected = stats.false_discovery_control(rows["p_value"])
        assert np.allclose(rows["q_value"], expected, rtol=0, atol=1e-12)


def test_a_change_without_a_p_value_counts_in_no_family() -> None:
    frame = pd.DataFrame({"recipe": ["full"] * 3, "p_value": [0.01, np.nan, 0.04]})
    found = q_values_within(frame, ["recipe"])
    assert np.allclose(found, [0.02, np.nan, 0.04], equal_nan=True)


def test_p_value_of_accuracy_is_mcnemars_exact_one() -> None:
    differences = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 40)
    assert sign_flip_p_value(differences, 99, 0) == pytest.approx(
        stats.binomtest(9, 11).pvalue, rel=1e-12
    )


def test_p_value_of_few_pairs_is_exact() -> None:
    differences = np.array([0.1, 0.2, 0.3, -0.05, 0.4])
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p_value(differences, 9999, 0) == pytest.approx(theirs.pvalue)


def test_p_value_of_many_pairs_agrees_with_the_t_test(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(5).normal(0.02, 0.1, size=150)
    ours = sign_flip_p_value(differences, 9999, 0)
    assert ours == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)
    assert ours == sign_flip_p_value(differences, 9999, 0)
    monkeypatch.setattr("tuning_dynamics.stats.permutation._BLOCK_NUMBERS", 1000)
    assert sign_flip_p_value(differences, 9999, 0) == pytest.approx(ours, abs=0.01)


def test_p_value_is_never_0() -> None:
    differences = np.random.default_rng(0).uniform(0.1, 0.2, size=100)
    assert sign_flip_p_value(differences, 999, 0) == pytest.approx(1 / 1000)


def test_contexts_are_flipped_whole(tmp_path: Path) -> None:
    """Eight stories of ten questions; tuning helps three stories and hurts one."""
    moved = np.repeat([0.5, 0.5, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0], 10)
    cells = pair(tmp_path, np.full(80, 0.5), 0.5 + moved)
    for one in cells:
        records = pd.read_parquet(one["path"])
        records.assign(context=[f"story-{n // 10}" for n in range(80)]).to_parquet(one["path"])
    row = change_rows(cells).iloc[0]
    # As McNemar's test over four stories; over forty items it would be 1e-2.
    assert row["p_value"] == pytest.approx(stats.binomtest(3, 4).pvalue)


def test_no_tests_have_no_q_values() -> None:
    assert q_values(np.array([])).size == 0


def test_a_change_is_also_taken_at_equal_shots(tmp_path: Path) -> None:
    cells = [
        cell(tmp_path / "few", [1.0, 1.0, 0.0, 1.0], shots=4),
        cell(tmp_path / "none", [0.0, 1.0, 0.0, 0.0], shots=0),
        cell(
            tmp_path / "tuned", [1.0, 1.0, 1.0, 1.0], recipe="full", train_set="t", seed=1, shots=0
        ),
        cell(
            tmp_path / "shown", [1.0, 0.0, 1.0, 1.0], recipe="full", train_set="t", seed=1, shots=2
        ),
    ]
    rows = cell_tables(cells, **DRAWING)["changes"].set_index("shots")
    # Both are compared with the base of most shots; one has a base of as many.
    assert rows["base_shots"].tolist() == [4, 4]
    assert rows["change"].to_dict() == pytest.approx({0: 0.25, 2: 0.0})
    assert rows.loc[0, ["equal_base_score", "equal_change"]].tolist() == pytest.approx([0.25, 0.75])
    assert rows.loc[0, "equal_low"] < 0.75 <= rows.loc[0, "equal_high"]
    assert rows.loc[2, ["equal_base_score", "equal_change", "equal_low"]].isna().all()
