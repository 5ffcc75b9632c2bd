"""Transfer, groups and sensitivity: planted effects come back, each cell counts once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.synthetic import (
    DRAWING,
    PUBLISHED,
    Truth,
    published_tables,
    study_tables,
    train_kinds,
    write_cells,
)
from unit.test_stats_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.groups import group_change_rows, group_rows, kendall_p_value
from tuning_dynamics.stats.select import curve_cells, primary_cells
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import known_train_kinds, transfer_rows
from tuning_dynamics.stats.units import Drawing, contrast, estimate, mean_of, median_of
from tuning_dynamics.study.errors import StudyError

DRAWN = Drawing(**DRAWING)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return published_tables()


def changes_of(rows: list[tuple[str, str, str, float, float]], **more: Any) -> pd.DataFrame:
    """Changes of (train set, evaluation set, kind, base score, change)."""
    columns = {
        "family": "toy",
        "checkpoint": "10",
        "step": 10,
        "tokens": 1000,
        "recipe": "full",
        "seed": 1,
        "task": "t",
        "role": "cross",
        "format": "default",
        "shots": 0,
        "prediction": "greedy",
        "metric": "rouge_l",
        **more,
    }
    frame = pd.DataFrame(rows, columns=["train_set", "eval_set", "kind", "base_score", "change"])
    return frame.assign(**columns)


def test_the_papers_mean_ratio_and_its_sisters() -> None:
    changes = changes_of(
        [
            ("t", "t", "generation", 0.5, 0.5),
            ("t", "a", "generation", 0.4, -0.2),
            ("t", "b", "generation", 0.01, 0.05),
            ("t", "c", "generation", 0.0, 0.1),
            ("t", "d", "classification", 0.5, 0.1),
        ]
    )
    table = transfer_rows(changes, {"t": "classification"}, **DRAWING)
    pooled = table[(table["checkpoint"] == "all") & (table["eval_kind"] == "generation")]
    values = pooled.set_index("statistic")
    # Not the train set itself; the tiny base counts, as in the paper; a base of 0 has no ratio.
    assert values["value"]["mean_ratio"] == pytest.approx((-0.5 + 5.0) / 2)
    assert values["value"]["median_ratio"] == pytest.approx((-0.5 + 5.0) / 2)
    assert values["value"]["ratio_of_means"] == pytest.approx(-0.05 / 0.41)
    assert values["value"]["mean_change"] == pytest.approx(-0.05 / 3)
    assert values["cells"].to_dict() == {
        "mean_ratio": 2,
        "ratio_of_means": 3,
        "median_ratio": 2,
        "mean_change": 3,
    }
    assert pooled["low"].isna().all()


def test_transfer_recovers_what_was_planted(tables: dict[str, pd.DataFrame]) -> None:
    transfer = tables["transfer"].set_index(["checkpoint", "train_kind", "eval_kind", "statistic"])
    row = transfer.loc[("all", "classification", "generation", "mean_change")]
    assert row["low"] <= -0.12 <= row["high"]
    # 2 train sets on 6 evaluation sets at 6 checkpoints.
    assert row["cells"] == 72
    assert transfer.loc[("1000", "classification", "generation", "mean_change")]["cells"] == 12


def test_a_train_set_of_unknown_kind_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(StudyError, match="nli_people"):
        transfer_rows(tables["changes"], {}, **DRAWING)
    with pytest.raises(StudyError, match="recipe 'mix'"):
        transfer_rows(tables["changes"], {}, **DRAWING, recipe="mix")


def test_kinds_of_train_sets_are_known_from_their_own_task(
    tables: dict[str, pd.DataFrame],
) -> None:
    assert known_train_kinds(tables["scores"]) == train_kinds(PUBLISHED)
    changed = tables["scores"].copy()
    changed.loc[changed["role"] == "id", "kind"] = "generation"
    with pytest.raises(StudyError, match="several kinds"):
        known_train_kinds(changed)


def test_groups_are_those_planted(tables: dict[str, pd.DataFrame]) -> None:
    groups = tables["groups"].set_index("eval_set")
    for name, row in groups.iterrows():
        learned = str(name).startswith(("nli", "summary"))
        assert row["group"] == ("learned" if learned else "not_learned")
    assert groups.loc["summary_people", "trend"] == pytest.approx(0.12, abs=0.02)


def test_group_changes_are_those_planted_and_count_each_cell_once(
    tables: dict[str, pd.DataFrame],
) -> None:
    table = tables["group_changes"].set_index(["checkpoint", "group"])
    assert table.loc[("all", "learned"), "mean_change"] == pytest.approx(0.01, abs=0.01)
    # Two tasks of a group, three sets each, each tuned on by its own task's train set.
    cells = tables["group_changes"].groupby("checkpoint")["cells"].unique()
    assert {name: list(found) for name, found in cells.items()} == {
        "all": [36],
        **{str(step): [6] for step in PUBLISHED.steps},
    }
    last = table.loc[("10000", "not_learned")]
    assert last["low"] <= 0.12 + 0.05 * 2 <= last["high"] + 0.01


def test_a_set_in_two_groups_or_in_none_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    groups, changes = tables["groups"], tables["changes"]
    with pytest.raises(StudyError, match="twice"):
        group_change_rows(changes, pd.concat([groups, groups.head(1)]), **DRAWING)
    with pytest.raises(StudyError, match="no group"):
        group_change_rows(changes, groups.iloc[1:], **DRAWING)


def test_few_checkpoints_leave_a_set_undecided(tables: dict[str, pd.DataFrame]) -> None:
    for steps, expected in (
        ((0, 100, 300), {"undecided"}),
        ((0, 100, 300, 1000), {"learned", "not_learned"}),
    ):
        few = tables["scores"][tables["scores"]["step"].isin(steps)]
        assert set(group_rows(few, alpha=0.1)["group"]) == expected
    assert set(group_rows(few, alpha=0.05)["group"]) == {"undecided"}


def test_a_falling_set_is_not_learned(tables: dict[str, pd.DataFrame]) -> None:
    falling = tables["scores"].copy()
    falling[["score", "ci_low", "ci_high"]] = 1 - falling[["score", "ci_high", "ci_low"]]
    assert set(group_rows(falling, alpha=0.1)["group"]) == {"not_learned"}


def test_kendall_p_values() -> None:
    rising = np.arange(5.0)
    assert kendall_p_value(rising, rising) == pytest.approx(2 / 120)
    assert kendall_p_value(rising[:4], rising[:4]) == pytest.approx(2 / 24)
    mixed = np.array([0.1, 0.3, 0.2, 0.5, 0.4, 0.6])
    exact = stats.kendalltau(np.arange(6), mixed, method="exact").pvalue
    assert kendall_p_value(np.arange(6.0), mixed) == pytest.approx(exact)
    assert kendall_p_value(rising, np.full(5, 0.2)) == 1.0
    assert kendall_p_value(rising, np.array([0, 0, 0, 1, 1.0])) == pytest.approx(24 / 120)
    long = np.arange(12.0)
    assert kendall_p_value(long, long) < 1e-6


def test_sensitivity_is_best_less_worst_format(tmp_path: Path) -> None:
    tuned = {"recipe": "full", "train_set": "t", "seed": 1, "role": "id"}
    cells = [
        cell(tmp_path / name, [value] * 10, **tuned, format=name, shots=0)
        for name, value in (("default", 0.9), ("io", 0.4), ("instruct", 0.7))
    ]
    # Few-shot in two formats, and base in one: neither is a second row.
    cells += [
        cell(tmp_path / "few", [0.1] * 10, **tuned, shots=4),
        cell(tmp_path / "few_io", [0.0] * 10, **tuned, shots=4, format="io"),
        cell(tmp_path / "base", [0.1] * 10),
    ]
    table = cell_tables(cells, **DRAWING)["sensitivity"]
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["best"], row["worst"]) == ("default", "io")
    assert [row["spread"], row["low"], row["high"]] == pytest.approx([0.5, 0.5, 0.5])


def test_sensitivity_of_base_has_a_row_where_base_has_formats(tmp_path: Path) -> None:
    cells = [cell(tmp_path / name, [0.5, 0.6], format=name) for name in ("default", "io")]
    assert cell_tables(cells, **DRAWING)["sensitivity"]["recipe"].tolist() == ["base"]


def test_primary_cells_take_one_method_and_number_of_shots() -> None:
    rows = changes_of([("t", "a", "classification", 0.5, 0.0)] * 4)
    rows["prediction"] = ["free", "token_prob", "token_prob", "token_prob"]
    rows["shots"] = [0, 4, 0, 2]
    rows["format"] = ["default", "default", "default", "default"]
    assert primary_cells(rows)["shots"].tolist() == [0]
    assert primary_cells(rows.assign(recipe="base"))["shots"].tolist() == [4]
    assert primary_cells(rows.head(1))["prediction"].tolist() == ["free"]
    assert primary_cells(rows.assign(format="io")).empty
    # Of a published table: methods that are not ours stand behind ours, by name.
    rows["prediction"] = ["guess", "free", "coin", "guess"]
    assert primary_cells(rows)["prediction"].tolist() == ["free"]
    assert primary_cells(rows[rows["prediction"] != "free"])["prediction"].tolist() == ["coin"]


def test_a_curve_has_one_number_of_shots() -> None:
    # 0 shots at every checkpoint, 5 at the later ones only.
    early = changes_of([("", "a", "multiple_choice", 0.5, 0.0)] * 4, recipe="base")
    early["checkpoint"] = ["0", "1", "2", "3"]
    late = early.tail(2).assign(shots=5)
    both = pd.concat([late, early], ignore_index=True)
    assert curve_cells(both)["shots"].tolist() == [0] * 4
    assert sorted(primary_cells(both)["shots"]) == [0, 0, 5, 5]
    # As many of both: the protocol's own choice, and one metric.
    both = pd.concat([early, early.assign(shots=5), early.assign(shots=5, metric="f1")])
    assert curve_cells(both)["shots"].tolist() == [5] * 4
    assert curve_cells(both.assign(recipe="full"))["shots"].tolist() == [0] * 4


def test_an_interval_over_units_needs_5_and_seeds_are_no_units() -> None:
    values = np.arange(40.0)
    few = estimate(mean_of(values), ["a", "b", "c", "d"] * 10, DRAWN)
    assert few.thin
    assert np.isnan(few.low)
    assert (few.cells, few.units, few.value) == (40, 4, 19.5)
    enough = estimate(mean_of(values), ["a", "b", "c", "d", "e"] * 8, DRAWN)
    assert enough.low < enough.value < enough.high
    assert estimate(mean_of(values), [], DRAWN).cells == 0


def test_seeds_of_one_pair_do_not_narrow_the_interval() -> None:
    once = np.random.default_rng(0).normal(size=8)
    names = list("abcdefgh")
    single = estimate(mean_of(once), names, DRAWN)
    repeated = estimate(mean_of(np.tile(once, 3)), names * 3, DRAWN)
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))


def test_weighted_median_is_the_median_of_the_drawn_cells() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(size=9)
    weights = generator.integers(0, 4, size=(50, 9)).astype(float)
    expected = [np.median(np.repeat(values, row.astype(int))) for row in weights]
    assert np.allclose(median_of(values)(weights), expected)


def test_intervals_over_units_cover_the_truth() -> None:
    """Of 20 pairs; percentile intervals of so few units are known to be a little narrow."""
    generator = np.random.default_rng(1)
    names = [str(number) for number in range(20)]
    hits = 0
    for _ in range(400):
        found = estimate(mean_of(generator.normal(0.3, 0.1, size=20)), names, DRAWN)
        hits += found.low <= 0.3 <= found.high
    assert 0.89 <= hits / 400 <= 0.97


def test_a_contrast_of_equal_groups_holds_0_and_needs_5_units_on_both_sides() -> None:
    generator = np.random.default_rng(6)
    one, two = generator.normal(size=30), generator.normal(size=30)
    names = [str(number) for number in range(30)]
    found = contrast(one, names, two, names, DRAWN)
    assert found.low < 0 < found.high
    assert contrast(one, names, two[:4], names[:4], DRAWN).thin
    assert np.isnan(contrast(one, names, two[:0], [], DRAWN).value)


def test_log_tokens_set_the_untrained_checkpoint_to_the_left() -> None:
    places = log_tokens(pd.Series([0, 300, 3000], dtype="Int64"))
    assert places == pytest.approx([2.0, np.log10(300), np.log10(3000)])
    assert np.isnan(slope(np.zeros(3), np.arange(3.0)))
    for bad in ([None, 3], [-1, 3]):
        with pytest.raises(StudyError, match="number of tokens"):
            log_tokens(pd.Series(bad, dtype="Int64"))


def test_two_families_are_kept_apart(tmp_path: Path) -> None:
    truth = Truth(
        families=("a", "b"),
        steps=(100, 300, 1000, 3000),
        domains=("people",),
        tasks=("nli", "summary"),
        formats=("default",),
        items=20,
    )
    tables = study_tables(write_cells(tmp_path, truth), truth)
    for name in ("transfer", "groups", "group_changes"):
        assert set(tables[name]["family"]) == {"a", "b"}
    assert tables["sensitivity"].empty
