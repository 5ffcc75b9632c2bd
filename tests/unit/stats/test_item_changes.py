"""item_changes.csv and seed_agreement.csv: counts by hand, kappas of independent formulas."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from synthetic import DRAWING
from unit.stats.test_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.kappa import cohen_kappa, fleiss_kappa, pairwise_agreement

GOLD = ["yes", "yes", "yes", "no", "no", "no", "no", "maybe"]
BASE = ["yes", "yes", "no", "yes", "no", "no", "maybe", "maybe"]
TUNED = ["yes", "no", "yes", "no", "no", "no", "yes", "maybe"]


def labelled(path: Path, answers: list[str], **changes: Any) -> dict[str, Any]:
    """A cell with these answers to GOLD."""
    names = [f"item-{number}" for number in range(len(answers))]
    key = cell(path, [0.0, 1.0], **{"metric": "accuracy", **changes})
    pd.DataFrame(
        {
            "item": names,
            "context": names,
            "prompt_digest": "0" * 16,
            "truncated": False,
            "prediction": answers,
            "gold": [[label] for label in GOLD],
            "option_scores": [[0.0, -1.0] for _ in names],
        }
    ).to_parquet(path, index=False)
    return key


def tuned(path: Path, answers: list[str], seed: int = 1, **changes: Any) -> dict[str, Any]:
    more = {"recipe": "full", "train_set": "t", "seed": seed, "role": "id", "shots": 0}
    return labelled(path, answers, **{**more, **changes})


def tables(cells: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return cell_tables(cells, **DRAWING)


def test_items_are_counted_by_what_tuning_did_to_them(tmp_path: Path) -> None:
    made = tables([labelled(tmp_path / "base", BASE), tuned(tmp_path / "tuned", TUNED)])
    (row,) = made["item_changes"].to_dict("records")
    counts = ("n", "gained", "lost", "kept_right", "kept_wrong")
    # Base: 5 of 8 right; tuned: 6 of 8.
    assert [row[name] for name in counts] == [8, 2, 1, 4, 1]
    assert row["gained_by_chance"] == pytest.approx(8 * 3 / 8 * 6 / 8)
    assert row["lost_by_chance"] == pytest.approx(8 * 5 / 8 * 2 / 8)
    right = [
        [answer == gold for answer, gold in zip(side, GOLD, strict=True)] for side in (BASE, TUNED)
    ]
    assert row["right_kappa"] == pytest.approx(cohen_kappa_score(*right))
    assert row["agreement"] == 4 / 8
    assert row["kappa"] == pytest.approx(cohen_kappa_score(BASE, TUNED))
    change = made["changes"].iloc[0]["change"]
    assert (row["gained"] - row["lost"]) / row["n"] == pytest.approx(change)


def test_several_draws_of_the_base_are_averaged(tmp_path: Path) -> None:
    other = ["no", *BASE[1:]]
    bases = [labelled(tmp_path / "0", BASE), labelled(tmp_path / "1", other, draw=1)]
    after = tuned(tmp_path / "t", TUNED)
    made = tables([*bases, after])
    (row,) = made["item_changes"].to_dict("records")
    alone = [tables([one, after])["item_changes"].iloc[0] for one in bases]
    for name in ("gained", "lost", "kept_right", "gained_by_chance", "right_kappa", "kappa"):
        assert row[name] == pytest.approx((alone[0][name] + alone[1][name]) / 2), name
    assert row["gained"] == 2.5
    change = made["changes"].iloc[0]["change"]
    assert (row["gained"] - row["lost"]) / row["n"] == pytest.approx(change)


def test_scores_between_0_and_1_have_no_items_gained(tmp_path: Path) -> None:
    some = [0.0, 0.5, 1.0, 1.0] * 3
    key = {"recipe": "full", "train_set": "t", "seed": 1}
    cells = [cell(tmp_path / "base", [0.0, 1.0, 1.0, 0.0] * 3), cell(tmp_path / "t", some, **key)]
    made = tables(cells)
    assert len(made["changes"]) == 1
    assert made["item_changes"].empty


def test_answers_that_are_no_labels_have_no_kappa(tmp_path: Path) -> None:
    more = {"kind": "multiple_choice", "prediction": "likelihood"}
    cells = [labelled(tmp_path / "b", BASE, **more), tuned(tmp_path / "t", TUNED, **more)]
    (row,) = tables(cells)["item_changes"].to_dict("records")
    assert row["agreement"] == 4 / 8
    assert np.isnan(row["kappa"])
    assert row["right_kappa"] < 1


def test_two_models_of_one_label_have_no_kappa(tmp_path: Path) -> None:
    cells = [labelled(tmp_path / "b", ["no"] * 8), tuned(tmp_path / "t", ["no"] * 8)]
    (row,) = tables(cells)["item_changes"].to_dict("records")
    assert (row["gained"], row["lost"], row["agreement"], row["right_kappa"]) == (0, 0, 1.0, 1.0)
    assert np.isnan(row["kappa"])


def test_kappa_is_0_where_answers_are_independent_and_1_where_they_agree() -> None:
    rng = np.random.default_rng(0)
    answers = rng.choice(3, size=(100_000, 3), p=(0.7, 0.2, 0.1))
    assert abs(cohen_kappa(answers[:, 0], answers[:, 1])) < 0.01
    assert abs(fleiss_kappa(answers)) < 0.01
    assert pairwise_agreement(answers) == pytest.approx(0.54, abs=0.01)
    assert fleiss_kappa(answers[:, [0, 0]]) == cohen_kappa(answers[:, 0], answers[:, 0]) == 1.0


def test_fleiss_kappa_is_that_of_his_example() -> None:
    """Table 1 of Fleiss 1971 as Wikipedia's worked example has it: 10 items, 14 raters."""
    counts = [
        *((0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)),
        *((7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)),
    ]
    answers = np.array([np.repeat(range(5), row) for row in counts])
    assert pairwise_agreement(answers) == pytest.approx(0.378, abs=5e-4)
    assert fleiss_kappa(answers) == pytest.approx(0.210, abs=5e-4)


def test_agreement_over_seeds_is_that_of_all_pairs(tmp_path: Path) -> None:
    answers = [TUNED, BASE, ["no"] * 8]
    cells = [tuned(tmp_path / f"{seed}", own, seed) for seed, own in enumerate(answers)]
    # Another draw of demonstrations is another question.
    cells += [tuned(tmp_path / f"draw{n}", TUNED, n, draw=1, shots=2) for n in (0, 1)]
    alone = tuned(tmp_path / "alone", TUNED, 7, format="io")
    made = tables([*cells, alone, labelled(tmp_path / "base", BASE)])["seed_agreement"]
    row, of_draw = made.to_dict("records")
    assert (of_draw["draw"], of_draw["seeds"], of_draw["agreement"]) == (1, 2, 1.0)
    assert (row["format"], row["draw"], row["seeds"], row["n"]) == ("default", 0, 3, 8)
    assert pd.isna(row["seed"])
    shares = [np.mean(np.array(a) == np.array(b)) for a, b in combinations(answers, 2)]
    assert row["agreement"] == pytest.approx(np.mean(shares))
    every = np.array(answers)
    chance = sum((every == label).mean() ** 2 for label in ("yes", "no", "maybe"))
    assert row["kappa"] == pytest.approx((np.mean(shares) - chance) / (1 - chance))
    right = every == np.array(GOLD)
    both = [np.mean(a == b) for a, b in combinations(right, 2)]
    by_chance = right.mean() ** 2 + (1 - right.mean()) ** 2
    assert row["right_agreement"] == pytest.approx(np.mean(both))
    assert row["right_kappa"] == pytest.approx((np.mean(both) - by_chance) / (1 - by_chance))


def test_collapsed_seeds_agree_without_a_kappa(tmp_path: Path) -> None:
    cells = [tuned(tmp_path / f"{seed}", ["no"] * 8, seed) for seed in (1, 2)]
    (row,) = tables(cells)["seed_agreement"].to_dict("records")
    assert (row["agreement"], row["right_agreement"], row["right_kappa"]) == (1.0, 1.0, 1.0)
    assert np.isnan(row["kappa"])


def test_texts_that_are_scored_between_0_and_1_agree_as_texts(tmp_path: Path) -> None:
    key = {"recipe": "full", "train_set": "t", "kind": "generation", "prediction": "greedy"}
    cells = [
        cell(tmp_path / "1", [0.1, 0.2, 0.3, 0.4] * 3, **key, seed=1),
        cell(tmp_path / "2", [0.1, 0.2, 0.3, 0.5] * 3, **key, seed=2),
    ]
    (row,) = tables(cells)["seed_agreement"].to_dict("records")
    assert row["agreement"] == 0.75
    assert np.isnan([row["kappa"], row["right_agreement"], row["right_kappa"]]).all()
