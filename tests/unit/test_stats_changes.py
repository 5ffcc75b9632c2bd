"""Tuned against base over the same items, with a test that keeps its level."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from unit.synthetic import DRAWING, records_of
from unit.test_stats_scores import cell

from tuning_dynamics.stats.changes import RATIO_FLOOR, change_rows
from tuning_dynamics.stats.permutation import q_values, sign_flip_p_value
from tuning_dynamics.stats.tables import TABLES
from tuning_dynamics.study.errors import StudyError

TUNED = {"recipe": "full", "train_set": "nli_people", "seed": 1, "role": "id", "shots": 0}


def pair(tmp_path: Path, before: Any, after: Any, **tuned: Any) -> list[dict[str, Any]]:
    return [
        cell(tmp_path / "base", before),
        cell(tmp_path / "tuned", after, **{**TUNED, **tuned}),
    ]


def test_a_change_is_paired(tmp_path: Path) -> None:
    difficulty = np.random.default_rng(0).uniform(size=100)
    cells = pair(tmp_path, difficulty * 0.8, difficulty * 0.8 + 0.1)
    table = change_rows(cells, **DRAWING)
    row = table.iloc[0]
    assert list(table.columns) == list(TABLES["changes"])
    assert row["change"] == pytest.approx(0.1)
    # Every item changed by the same amount, so pairing leaves no uncertainty.
    assert (row["change_low"], row["change_high"]) == pytest.approx((0.1, 0.1))
    assert row["ratio"] == pytest.approx(0.1 / (0.8 * difficulty.mean()))
    assert row["p_value"] == pytest.approx(2**-99)


def test_pairing_is_by_item_and_not_by_row(tmp_path: Path) -> None:
    scores = np.linspace(0, 1, 11)
    cells = pair(tmp_path, scores, scores)
    records_of(scores).iloc[::-1].to_parquet(cells[1]["path"])
    row = change_rows(cells, **DRAWING).iloc[0]
    assert (row["change"], row["p_value"]) == (0.0, 1.0)


def test_a_ratio_over_almost_nothing_is_left_empty(tmp_path: Path) -> None:
    for base, empty in ((RATIO_FLOOR - 0.001, True), (RATIO_FLOOR + 0.001, False), (0.0, True)):
        cells = pair(tmp_path, [base] * 10, [0.5] * 10)
        assert np.isnan(change_rows(cells, **DRAWING)["ratio"].iloc[0]) == empty


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
        row = change_rows([*bases, tuned], **DRAWING).iloc[0]
        assert row["base_score"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "other",
    [{"step": 20, "checkpoint": "20"}, {"prediction": "free"}, {"eval_set": "b"}, {"family": "b"}],
)
def test_a_tuned_cell_without_base_is_refused_and_named(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    cells = pair(tmp_path, [0.1, 0.2], [0.1, 0.2], **other)
    with pytest.raises(StudyError, match="no base cell") as caught:
        change_rows(cells, **DRAWING)
    assert "fix:" in str(caught.value)
    assert str(next(iter(other.values()))) in str(caught.value)


def test_a_base_in_another_format_than_default_is_no_base(tmp_path: Path) -> None:
    base = cell(tmp_path / "base", [0.1, 0.2], format="io")
    tuned = cell(tmp_path / "tuned", [0.1, 0.2], **TUNED)
    with pytest.raises(StudyError, match="no base cell"):
        change_rows([base, tuned], **DRAWING)


def test_other_items_are_refused_and_counted(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="2 items are in only one"):
        change_rows(pair(tmp_path, [0.5] * 10, [0.5] * 12), **DRAWING)


def test_another_gold_answer_is_refused(tmp_path: Path) -> None:
    cells = pair(tmp_path, [0.5] * 3, [0.5] * 3)
    changed = records_of([0.5] * 3)
    changed["gold"] = [["yes"], ["no"], ["yes"]]
    changed.to_parquet(cells[1]["path"])
    with pytest.raises(StudyError, match="1 items have another gold answer"):
        change_rows(cells, **DRAWING)


def test_a_study_of_base_alone_has_no_changes(tmp_path: Path) -> None:
    assert change_rows([cell(tmp_path / "a", [0.1, 0.2])], **DRAWING).empty


def test_q_values_are_those_of_each_recipe(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    base = generator.uniform(size=40)
    cells = [cell(tmp_path / "base", base)]
    for number in range(6):
        after = np.clip(base + generator.normal(0.02 * number, 0.1, size=40), 0, 1)
        recipe = "full" if number < 4 else "lora"
        key = {**TUNED, "recipe": recipe, "seed": number}
        cells.append(cell(tmp_path / f"{number}", after, **key))
    table = change_rows(cells, **DRAWING)
    for _, rows in table.groupby("recipe"):
        expected = stats.false_discovery_control(rows["p_value"])
        assert np.allclose(rows["q_value"], expected)


def test_p_value_of_accuracy_is_mcnemars_exact_one() -> None:
    differences = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 40)
    assert sign_flip_p_value(differences, 99, 0) == stats.binomtest(9, 11).pvalue


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


def test_the_test_keeps_its_level_under_the_null() -> None:
    generator = np.random.default_rng(8)
    draws = [generator.normal(size=30) ** 3 for _ in range(500)]
    p_values = np.array([sign_flip_p_value(draw, 499, 1) for draw in draws])
    assert (p_values <= 0.05).mean() <= 0.07


def test_no_tests_have_no_q_values() -> None:
    assert q_values(np.array([])).size == 0
