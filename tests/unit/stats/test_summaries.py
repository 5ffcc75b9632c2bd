"""Transfer, groups and sensitivity: planted effects come back, each cell counts once."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import (
    DRAWING,
    PUBLISHED,
    Truth,
    asked,
    published_tables,
    study_tables,
    write_cells,
)
from unit.stats.test_scores import cell

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.cell_bootstrap import (
    Drawing,
    Sample,
    contrast,
    errors_of,
    estimate,
    mean,
    median,
)
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.groups import group_change_rows, group_rows, kendall_p_value
from tuning_dynamics.stats.primary_cells import curve_cells, primary_cells
from tuning_dynamics.stats.summaries.turning_points import turning_rows
from tuning_dynamics.stats.summarise import require_asked
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import transfer_rows

DRAWN = Drawing(**DRAWING)
FULL: dict[str, Any] = {"drawing": DRAWN, "recipes": ["full"]}
KINDS = ("train_kind", "eval_kind")


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return published_tables()


def changes_of(rows: list[tuple[str, str, str, float, float]], **more: Any) -> pd.DataFrame:
    """Changes of (train set, evaluation set, kind, base score, change); items unknown."""
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
        "draw": 0,
        "prediction": "greedy",
        "metric": "rouge_l",
        "change_low": np.nan,
        "change_high": np.nan,
        **more,
    }
    frame = pd.DataFrame(rows, columns=["train_set", "eval_set", "kind", "base_score", "change"])
    return frame.assign(**columns)


def transfer(
    changes: pd.DataFrame, kinds: dict[str, str], chance: Any = None, **more: Any
) -> pd.DataFrame:
    return transfer_rows(
        changes, kinds, chance or {}, **{"drawing": DRAWN, "recipe": "full", **more}
    )


def test_the_papers_mean_ratio_and_its_robust_alternatives() -> None:
    changes = changes_of(
        [
            ("t", "t", "generation", 0.5, 0.5),
            ("t", "a", "generation", 0.4, -0.2),
            ("t", "b", "generation", 0.01, 0.05),
            ("t", "c", "generation", 0.0, 0.1),
            ("t", "d", "classification", 0.5, 0.1),
        ]
    )
    table = transfer(changes, {"t": "classification"}, {"d": 0.25})
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
        "normalised_change": 3,
    }
    assert pooled["low"].isna().all()
    # A text has no score by guessing; .1 of the .75 that guessing leaves.
    assert values["value"]["normalised_change"] == values["value"]["mean_change"]
    guessed = table[(table["eval_kind"] == "classification") & (table["checkpoint"] == "all")]
    assert guessed.set_index("statistic")["value"]["normalised_change"] == pytest.approx(0.1 / 0.75)


def test_without_chance_a_classification_has_no_normalised_change() -> None:
    changes = changes_of([("t", "d", "classification", 0.5, 0.1)])
    found = transfer(changes, {"t": "generation"}).set_index("statistic")
    normalised = found.loc["normalised_change"]
    assert normalised["value"].isna().all()
    assert set(normalised["cells"]) == {0}


def test_named_sets_restrict_transfer_and_are_pooled_over_kinds() -> None:
    changes = changes_of(
        [
            ("t", "t", "generation", 0.5, 0.5),
            ("t", "a", "generation", 0.4, -0.2),
            ("t", "d", "classification", 0.5, 0.1),
            ("t", "e", "classification", 0.5, 0.4),
            ("u", "a", "generation", 0.4, 0.4),
            ("v", "a", "generation", 0.4, 0.3),
        ]
    )
    kinds = {"t": "generation", "u": "classification", "v": "generation"}
    table = transfer(changes, kinds, train_sets=["t", "u"], eval_sets=["t", "a", "d"])
    pooled = table[(table["checkpoint"] == "all") & (table["statistic"] == "mean_ratio")]
    values = pooled.set_index(["train_kind", "eval_kind"])["value"]
    # The train set itself never counts, also where it is named.
    assert values["generation", "generation"] == pytest.approx(-0.5)
    assert values["generation", "classification"] == pytest.approx(0.2)
    assert values["all", "all"] == pytest.approx((-0.5 + 0.2 + 1.0) / 3)
    assert ("all", "all") not in set(
        zip(*(transfer(changes, kinds)[n] for n in KINDS), strict=True)
    )


NAMES: list[tuple[dict[str, Any], str]] = [
    ({"train_sets": ("nli_peeple",)}, "did you mean 'nli_people'"),
    ({"train_sets": ("nowhere",)}, "known: nli_people, paraphrase_people"),
    ({"eval_sets": ("nli_people", "nowhere")}, r"statistics\.transfer\.eval_sets"),
    ({"groups": {"learned": ["nowhere"], "not_learned": []}}, r"statistics\.groups\.learned"),
    ({"recipe": "mix"}, "recipe 'mix'"),
    ({"group_recipes": ("full", "mix")}, "recipe 'mix'"),
]


@pytest.mark.parametrize(("names", "says"), NAMES)
def test_a_name_of_which_the_tables_have_nothing_is_refused(
    tables: dict[str, pd.DataFrame], names: dict[str, Any], says: str
) -> None:
    with pytest.raises(StudyError, match=says):
        require_asked(asked(**names), tables)


def test_a_name_of_missing_cells_alone_is_known(tables: dict[str, pd.DataFrame]) -> None:
    lost = {name: tables[name]["eval_set"] == "nli_places" for name in ("scores", "changes")}
    named = asked(eval_sets=("nli_places",), groups={"learned": ["nli_places"], "not_learned": []})
    rest = {name: tables[name][~rows] for name, rows in lost.items()}
    with pytest.raises(StudyError, match="nli_places"):
        require_asked(named, {**tables, **rest})
    missing = tables["scores"][lost["scores"]].assign(reason="refused: …")
    require_asked(named, {**tables, **rest, "unpaired": missing})
    require_asked(asked(recipe="mix"), {**tables, "unpaired": missing.assign(recipe="mix")})


def test_a_repeated_cell_is_refused_by_name() -> None:
    changes = changes_of([("t", "sciq", "generation", 0.4, -0.2)] * 2)
    with pytest.raises(StudyError, match="eval_set=sciq"):
        transfer(changes, {"t": "classification"})


def test_transfer_recovers_what_was_planted(tables: dict[str, pd.DataFrame]) -> None:
    transfer = tables["transfer"].set_index(["checkpoint", "train_kind", "eval_kind", "statistic"])
    row = transfer.loc[("all", "classification", "generation", "mean_change")]
    assert row["low"] <= -0.12 <= row["high"]
    # 2 train sets on 6 evaluation sets at 6 checkpoints.
    assert row["cells"] == 72
    assert transfer.loc[("1000", "classification", "generation", "mean_change")]["cells"] == 12


def test_a_train_set_of_unknown_kind_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(StudyError, match="nli_people"):
        transfer(tables["changes"], {})


def test_groups_are_those_planted(tables: dict[str, pd.DataFrame]) -> None:
    groups = tables["groups"].set_index("eval_set")
    for name, row in groups.iterrows():
        learned = str(name).startswith(("nli", "summary"))
        assert row["group"] == ("learned" if learned else "other")
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
    last = table.loc[("10000", "other")]
    assert last["low"] <= 0.12 + 0.05 * 2 <= last["high"] + 0.01


def test_a_set_in_two_groups_or_in_none_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    groups, changes = tables["groups"], tables["changes"]
    with pytest.raises(StudyError, match="twice"):
        group_change_rows(changes, pd.concat([groups, groups.head(1)]), **FULL)
    with pytest.raises(StudyError, match="no group"):
        group_change_rows(changes, groups.iloc[1:], **FULL)


def test_a_set_is_learned_by_the_shape_of_its_curve(tables: dict[str, pd.DataFrame]) -> None:
    base = tables["turning_points"].query("recipe == 'base' and eval_set != 'all'")
    for shape, group in (
        *((rising, "learned") for rising in ("still_rising", "stops", "falls", "end_open")),
        *(("flat", "other"), ("not_shown", "other"), ("too_few", "undecided")),
    ):
        found = group_rows(base.assign(shape=shape))
        assert set(found["group"]) == {group}
        assert set(found["shape"]) == {shape}
    declared = group_rows(base, declared={"learned": ["nli_people"], "not_learned": ["nli_places"]})
    assert Counter(declared["group"])["learned"] == 1
    assert Counter(declared["group"])["other"] == 1


def test_few_checkpoints_leave_a_set_undecided(tables: dict[str, pd.DataFrame]) -> None:
    few = tables["seed_means"][tables["seed_means"]["step"].isin([0, 100, 300, 1000])]
    assert set(group_rows(turning_rows(few, asked()))["group"]) == {"undecided"}


def test_a_falling_set_is_not_learned(tables: dict[str, pd.DataFrame]) -> None:
    falling = tables["seed_means"].copy()
    falling[["score", "ci_low", "ci_high"]] = 1 - falling[["score", "ci_high", "ci_low"]]
    assert set(group_rows(turning_rows(falling, asked()))["group"]) == {"other"}


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


def sample(values: Any, units: Any, **more: Any) -> Sample:
    return Sample(np.asarray(values, dtype=float), list(units), **more)


def test_an_interval_over_units_needs_5_and_seeds_are_no_units() -> None:
    values = np.arange(40.0)
    few = estimate(mean, sample(values, ["a", "b", "c", "d"] * 10), DRAWN)
    assert few.thin
    assert np.isnan(few.low)
    assert (few.cells, few.units, few.value) == (40, 4, 19.5)
    enough = estimate(mean, sample(values, ["a", "b", "c", "d", "e"] * 8), DRAWN)
    assert enough.low < enough.value < enough.high
    assert estimate(mean, sample(values[:0], []), DRAWN).cells == 0


def test_seeds_of_one_pair_do_not_narrow_the_interval() -> None:
    once = np.random.default_rng(0).normal(size=8)
    names = list("abcdefgh")
    single = estimate(mean, sample(once, names), DRAWN)
    repeated = estimate(mean, sample(np.tile(once, 3), names * 3), DRAWN)
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))


def test_the_median_is_that_of_the_drawn_cells() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(size=9)
    weights = generator.integers(0, 4, size=(50, 9)).astype(float)
    expected = [np.median(np.repeat(values, row.astype(int))) for row in weights]
    assert np.allclose(median(weights, values[None, :]), expected)
    shifted = values + generator.normal(size=(50, 1))
    moved = [np.median(np.repeat(v, w.astype(int))) for v, w in zip(shifted, weights, strict=True)]
    assert np.allclose(median(weights, shifted), moved)


@pytest.mark.parametrize("pairs", [5, 8, 20])
def test_intervals_over_units_cover_the_truth(pairs: int) -> None:
    generator = np.random.default_rng(1)
    names = [str(number) for number in range(pairs)]
    hits = 0
    for _ in range(400):
        found = estimate(mean, sample(generator.normal(0.3, 0.1, size=pairs), names), DRAWN)
        hits += found.low <= 0.3 <= found.high
    assert 0.92 <= hits / 400 <= 0.99


def test_items_that_pairs_share_widen_the_interval_to_cover_the_truth() -> None:
    """Three train sets on six evaluation sets, whose noise the three have in common."""
    generator = np.random.default_rng(2)
    sets = [f"e{number}" for number in range(6)] * 3
    units = [f"t{number // 6} on {name}" for number, name in enumerate(sets)]
    hits = {"ours": 0, "as if independent": 0}
    for _ in range(300):
        values = np.tile(generator.normal(0, 0.05, size=6), 3) + generator.normal(0, 0.01, size=18)
        says = {"errors": np.full(18, 0.05), "items_of": sets}
        for name, more in (("ours", says), ("as if independent", {})):
            found = estimate(mean, sample(values, units, **more), DRAWN)
            hits[name] += found.low <= 0 <= found.high
    assert hits["as if independent"] / 300 < 0.85
    assert 0.93 <= hits["ours"] / 300 <= 0.995


def test_noise_is_added_only_where_items_are_shared_and_errors_known() -> None:
    values, units = np.arange(8.0), list("abcdefgh")
    plain = estimate(mean, sample(values, units), DRAWN)
    for errors, items_of in ((np.full(8, 5.0), units), (np.full(8, np.nan), ["one"] * 8)):
        found = estimate(mean, sample(values, units, errors=errors, items_of=items_of), DRAWN)
        assert found == plain


def test_an_interval_stands_for_its_standard_error() -> None:
    low, high = stats.norm.interval(0.95, loc=0.1, scale=0.02)
    errors = errors_of(pd.Series([low, np.nan]), pd.Series([high, np.nan]), 0.95)
    assert errors[0] == pytest.approx(0.02)
    assert np.isnan(errors[1])


def test_a_contrast_of_equal_groups_holds_0_and_needs_5_units_on_both_sides() -> None:
    generator = np.random.default_rng(6)
    names = [str(number) for number in range(30)]
    one, two = (sample(generator.normal(size=30), names) for _ in range(2))
    found = contrast(one, two, DRAWN)
    assert found.low < 0 < found.high
    few = np.arange(30) < 4
    assert contrast(one, two.where(few), DRAWN).thin
    assert np.isnan(contrast(one, two.where(np.zeros(30, dtype=bool)), DRAWN).value)


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
    tables = study_tables(write_cells(tmp_path, truth))
    for name in ("transfer", "groups", "group_changes"):
        assert set(tables[name]["family"]) == {"a", "b"}
    assert tables["sensitivity"].empty
