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
from tuning_dynamics.stats.cell_errors import error_of_mean, errors_of
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.compared_changes import compared_changes, grouping_scores
from tuning_dynamics.stats.curve_shape import curve_shape
from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.groups import (
    base_curves,
    group_rows,
    grouped_changes,
    kendall_p_value,
    shape_group,
)
from tuning_dynamics.stats.primary_cells import curve_cells, primary_cells
from tuning_dynamics.stats.summaries.turning_points import turning_rows
from tuning_dynamics.stats.summarise import require_asked, summary_tables
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import transfer_rows

LEVEL = DRAWING["level"]
RULE: dict[str, Any] = {"drawing": Drawing(**DRAWING), "alpha": 0.05, "margin": 0.02}
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
    return transfer_rows(changes, kinds, chance or {}, **{"level": LEVEL, "recipe": "full", **more})


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
    ({"train_sets": ("nowhere",)}, "known: nli_events, nli_people, nli_places, paraphrase_events"),
    ({"eval_sets": ("nli_people", "nowhere")}, r"statistics\.transfer\.eval_sets"),
    ({"groups": {"learned": ["nowhere"], "not_learned": []}}, r"statistics\.groups\.learned"),
    ({"recipe": "mix"}, "recipe 'mix'"),
    ({"group_metric": "acuracy"}, "did you mean 'accuracy'"),
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
    # 6 train sets on 6 evaluation sets at 6 checkpoints.
    assert row["cells"] == 216
    assert transfer.loc[("1000", "classification", "generation", "mean_change")]["cells"] == 36


def test_a_train_set_of_unknown_kind_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(StudyError, match="nli_events"):
        transfer(tables["changes"], {})


def test_groups_are_those_planted(tables: dict[str, pd.DataFrame]) -> None:
    groups = tables["groups"].set_index("eval_set")
    rising = groups.index.str.startswith(("nli", "summary"))
    for name in ("group", "compared_group"):
        assert set(groups.loc[rising, name]) == {"learned"}
        # Each of the six others has a chance of .05 to be shown to rise.
        assert (groups.loc[~rising, name] == "other").sum() >= 5
    assert groups.loc["summary_people", "trend"] == pytest.approx(0.12, abs=0.02)


def test_group_changes_are_those_planted_and_count_each_cell_once(
    tables: dict[str, pd.DataFrame],
) -> None:
    table = tables["group_changes"].set_index(["checkpoint", "group"])
    assert table.loc[("all", "learned"), "mean_change"] == pytest.approx(0.01, abs=0.01)
    # Two tasks of a group, three sets each, each tuned on by its own task's three train sets.
    cells = tables["group_changes"].groupby("checkpoint")["cells"].unique()
    assert {name: list(found) for name, found in cells.items()} == {
        "all": [108],
        **{str(step): [18] for step in PUBLISHED.steps},
    }
    last = table.loc[("10000", "other")]
    assert last["low"] <= 0.12 + 0.05 * 2 <= last["high"] + 0.01


def test_a_set_in_two_groups_or_in_none_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    groups = tables["groups"]
    changes = compared_changes(tables, LEVEL, declared=False)
    with pytest.raises(StudyError, match="twice"):
        grouped_changes(changes, pd.concat([groups, groups.head(1)]), recipes=["full"])
    with pytest.raises(StudyError, match="no group"):
        grouped_changes(changes, groups.iloc[1:], recipes=["full"])


def test_a_set_is_learned_by_the_shape_of_its_curve(tables: dict[str, pd.DataFrame]) -> None:
    base = tables["turning_points"].query("recipe == 'base' and eval_set != 'all'")
    for shape, group in (
        *((rising, "learned") for rising in ("still_rising", "stops", "falls", "end_open")),
        *(("flat", "other"), ("not_shown", "other"), ("too_few", "undecided")),
    ):
        found = group_rows(base.assign(shape=shape), {}, **RULE)
        assert set(found["group"]) == {group}
        assert set(found["compared_group"]) == {group}
        assert set(found["shape"]) == {shape}
    names = {"learned": ["nli_people"], "not_learned": ["nli_places"]}
    declared = group_rows(base, {}, **RULE, declared=names)
    assert Counter(declared["group"])["learned"] == 1
    assert Counter(declared["group"])["other"] == 1
    assert declared["compared_group"].equals(declared["group"])


def test_compared_groups_are_of_the_first_half_of_the_items(
    tables: dict[str, pd.DataFrame],
) -> None:
    halves = tables["halves"]
    curves = base_curves(grouping_scores(tables, LEVEL, declared=False))
    for row in tables["groups"].itertuples():
        own = halves[(halves["recipe"] == "base") & (halves["eval_set"] == row.eval_set)]
        curve = curves["toy", row.eval_set]
        assert curve.y.tolist() == own.sort_values("tokens")["first_score"].tolist()
        found = curve_shape(curve.x, curve.y, curve.error, **RULE)
        assert row.compared_group == shape_group(found.shape)
    # A half that says otherwise changes this column alone, and what is compared by it.
    flat = halves.assign(first_score=halves["first_score"].where(halves["recipe"] != "base", 0.5))
    moved = group_rows(
        tables["turning_points"],
        base_curves(grouping_scores({**tables, "halves": flat}, LEVEL, declared=False)),
        **RULE,
    )
    assert set(moved["compared_group"]) == {"other"}
    assert moved["group"].equals(tables["groups"]["group"])
    changes = compared_changes(tables, LEVEL, declared=False)
    assert set(grouped_changes(changes, moved, recipes=["full"])["group"]) == {"other"}


def test_groups_compare_the_changes_of_one_metric_if_it_is_named(
    tables: dict[str, pd.DataFrame],
) -> None:
    names = ("group_changes", "group_rules", "latent_gain")
    found = summary_tables(tables, asked(group_metric="accuracy"), names)
    sets = set(found["latent_gain"]["eval_set"]) - {"all"}
    accurate = set(tables["scores"].query("metric == 'accuracy'")["eval_set"])
    assert sets == accurate < set(tables["latent_gain"]["eval_set"])
    cells = [
        int(found["group_changes"].query("checkpoint == 'all'")["cells"].sum()),
        int(found["group_rules"].query("rule == 'study'")["cells"].iloc[0]),
    ]
    changes = compared_changes(tables, LEVEL, declared=False)
    kept = grouped_changes(changes, tables["groups"], recipes=["full"], metric="accuracy")
    assert cells == [len(kept)] * 2
    assert set(kept["metric"]) == {"accuracy"}


def test_changes_are_compared_on_the_second_half_unless_groups_are_declared(
    tables: dict[str, pd.DataFrame],
) -> None:
    halves, means = tables["halves"], tables["seed_means"]
    on_half = compared_changes(tables, LEVEL, declared=False)
    assert on_half["change"].tolist() == halves["second_change"].dropna().tolist()
    assert on_half["error"].tolist() == halves["second_se"].dropna().tolist()
    on_all = compared_changes(tables, LEVEL, declared=True)
    assert on_all["change"].tolist() == means["change"].dropna().tolist()
    scores = grouping_scores(tables, LEVEL, declared=True)
    assert scores["score"].tolist() == means.query("recipe == 'base'")["score"].tolist()
    # Published scores have no items.
    published = {**tables, "halves": halves.iloc[:0]}
    assert compared_changes(published, LEVEL, declared=False).equals(on_all)


def test_few_checkpoints_leave_a_set_undecided(tables: dict[str, pd.DataFrame]) -> None:
    few = tables["seed_means"][tables["seed_means"]["step"].isin([0, 100, 300, 1000])]
    found = group_rows(turning_rows(few, asked()), {}, **RULE)
    assert set(found["group"]) == {"undecided"}


def test_a_falling_set_is_not_learned(tables: dict[str, pd.DataFrame]) -> None:
    falling = tables["seed_means"].copy()
    falling[["score", "ci_low", "ci_high"]] = 1 - falling[["score", "ci_high", "ci_low"]]
    found = group_rows(turning_rows(falling, asked()), {}, **RULE).set_index("eval_set")
    learned = found.index[found["group"] != "other"]
    # By chance one of the sets that stay flat.
    assert not learned.str.startswith(("nli", "summary")).any()
    assert len(learned) <= 1


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
    assert row["spread"] == pytest.approx(0.5)
    assert row["beyond_chance"] == pytest.approx(0.5 - row["chance"])


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


def test_an_interval_stands_for_its_standard_error() -> None:
    low, high = stats.norm.interval(0.95, loc=0.1, scale=0.02)
    errors = errors_of(pd.Series([low, np.nan]), pd.Series([high, np.nan]), 0.95)
    assert errors[0] == pytest.approx(0.02)
    assert np.isnan(errors[1])


def test_errors_of_cells_that_share_items_add_up() -> None:
    """Against draws: three cells of one set move as one, the fourth on its own."""
    cells = pd.DataFrame({"eval_set": list("aaab"), "error": [0.1, 0.2, 0.3, 0.4]})
    drawn = np.random.default_rng(0).normal(size=(100_000, 2))
    means = (drawn[:, [0, 0, 0, 1]] * cells["error"].to_numpy()).mean(axis=1)
    assert error_of_mean(cells) == pytest.approx(means.std(), rel=0.01)
    assert np.isnan(error_of_mean(cells.assign(error=[0.1, np.nan, 0.3, 0.4])))


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
        trained=("people",),
        tasks=("nli", "summary"),
        formats=("default",),
        items=20,
    )
    tables = study_tables(write_cells(tmp_path, truth))
    for name in ("transfer", "groups", "group_changes"):
        assert set(tables[name]["family"]) == {"a", "b"}
    assert tables["sensitivity"].empty


def test_of_several_draws_summaries_take_the_first() -> None:
    early = changes_of([("", "a", "multiple_choice", 0.5, 0.0)] * 3, recipe="base")
    early["checkpoint"] = ["0", "1", "2"]
    drawn = pd.concat([early.assign(draw=draw, shots=4) for draw in (2, 0, 1)], ignore_index=True)
    assert primary_cells(drawn)["draw"].tolist() == [0] * 3
    assert curve_cells(drawn)["draw"].tolist() == [0] * 3
    # A curve keeps to one draw, that of most checkpoints; more shots come before a lower draw.
    gap = drawn[(drawn["draw"] != 0) | (drawn["checkpoint"] != "1")]
    assert curve_cells(gap)["draw"].tolist() == [1] * 3
    assert sorted(primary_cells(gap)["draw"]) == [0, 0, 1]
    fewer = pd.concat([drawn[drawn["draw"] == 2], early.assign(shots=2)])
    assert primary_cells(fewer)["shots"].tolist() == [4] * 3
    # Means over draws have no such column.
    assert len(curve_cells(early.drop(columns="draw"))) == 3


def test_draws_are_no_formats(tmp_path: Path) -> None:
    base = {("default", 0): 0.9, ("default", 1): 0.1, ("io", 0): 0.7, ("io", 1): 0.8}
    cells = [
        cell(tmp_path / f"{name}{draw}", [value] * 4, format=name, draw=draw)
        for (name, draw), value in base.items()
    ]
    table = cell_tables(cells, **DRAWING)["sensitivity"]
    assert table["spread"].tolist() == pytest.approx([0.2])
    drawn = [one for one in cells if one["format"] == "default"]
    assert cell_tables(drawn, **DRAWING)["sensitivity"].empty
