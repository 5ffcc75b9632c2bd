"""Every figure shows what its tables hold; missing values are marked."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import docutils.core
import numpy as np
import pandas as pd
import pytest
from drawn import FOLDER, cases, content, differences, drawn, without_items
from figure_tables import Made, made_tables
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.formatting import interval_text, percent, short_count, signed
from tuning_dynamics.grid.figures import (
    KINDS,
    MOST_RECIPES,
    THEMES,
    Piece,
    figure_list,
    figure_rows,
)
from tuning_dynamics.report.figures.draw import DRAWN, draw_figures
from tuning_dynamics.report.figures.recipes import unbeaten
from tuning_dynamics.report.figures.style import MISSING_COLOUR, colours, save
from tuning_dynamics.report.figures.view import View
from tuning_dynamics.tables.catalogue import all_tables
from tuning_dynamics.tables.tables import write_table

Tables = dict[str, pd.DataFrame]
ROOT = Path(__file__).parents[3]
MADE = Made()


def points(*tokens: int) -> frozenset[tuple[int, str]]:
    """Checkpoints at these tokens."""
    return frozenset((place, str(place)) for place in tokens)


BASE = Piece("toy", "base", "", "nli_people", "classification", "", "default", points(1, 9))


@pytest.fixture(scope="module")
def tables() -> Tables:
    return made_tables(MADE)


def words(figure: Figure) -> str:
    """All text in the figure."""
    found = [text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))]
    return "\n".join(found).replace("\n", " ")


def line(figure: Figure, colour: str, style: str = "-", panel: int = 0) -> Any:
    """The line of a colour and style in a panel; its marks on the axis are another colour."""
    found = [
        one
        for one in figure.axes[panel].lines
        if one.get_color() == colour and one.get_linestyle() == style
    ]
    assert len(found) == 1
    return found[0]


FULL = "#0072B2"


# --- what is drawn, against stored references ----------------------------------------------------


def test_figures_draw_what_their_references_say() -> None:
    """tests/helpers/drawn.py says how to make the references again."""
    found = {name: content(figure) for name, figure in cases()}
    stored = {path.stem: read_json(path) for path in FOLDER.glob("*.json")}
    assert set(found) == set(stored)
    differing = {name: differences(stored[name], found[name]) for name in sorted(found)}
    assert {name: difference for name, difference in differing.items() if difference} == {}


def test_a_reference_distinguishes_values_words_and_colours(tables: Tables) -> None:
    stored = read_json(FOLDER / "in_domain.json")
    means = tables["seed_means"]
    moved = {**tables, "seed_means": means.assign(score=means["score"] + 0.001)}
    assert any(
        "/lines/" in difference
        for difference in differences(stored, content(drawn("in_domain", moved)))
    )
    named = {**tables, "seed_means": means.replace({"nli_people": "nli_animals"})}
    assert any(
        "nli_animals" in difference
        for difference in differences(stored, content(drawn("in_domain", named)))
    )
    figure = drawn("in_domain", tables)
    line(figure, FULL).set_color("#D55E00")
    assert any("#D55E00" in difference for difference in differences(stored, content(figure)))


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["in_domain", "forgetting", "latent_gain", "change_by_group"])
def test_equal_tables_give_equal_files(tables: Tables, kind: str, tmp_path: Path) -> None:
    for folder in "ab":
        save(drawn(kind, tables), tmp_path / folder / f"{kind}.svg")
    for suffix in ("svg", "pdf", "png"):
        first, second = ((tmp_path / folder / f"{kind}.{suffix}").read_bytes() for folder in "ab")
        assert first == second
        assert len(first) > 5000


def test_all_figures_of_a_study_are_drawn_in_one_go(tables: Tables, tmp_path: Path) -> None:
    for name in ("seed_means", "groups", "checkpoints", "text_losses", "datasets"):
        write_table(tables[name], tmp_path / f"{name}.csv")
    paths = {path.stem: str(path) for path in tmp_path.glob("*.csv")}
    figures = [
        row
        for row in figure_rows(figure_list(pieces(), "full"))
        if row["name"] in ("base_by_checkpoint", "score_by_checkpoint.nli_people", "text_loss")
    ]
    asked: dict[str, Any] = {"figures": figures, "level": 0.95, "recipe": "full"}
    for processes in (1, 2):
        draw_figures(paths, tmp_path / str(processes), **asked, processes=processes)
    drawn_by = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (tmp_path / "1", tmp_path / "2")
    ]
    assert drawn_by[0] == drawn_by[1]
    names = {f"toy/{row['name']}.{suffix}" for row in figures for suffix in ("svg", "pdf", "png")}
    assert {str(path) for path in drawn_by[0]} == names


# --- what is missing -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DRAWN)
def test_a_figure_with_nothing_to_draw_says_so(tables: Tables, kind: str) -> None:
    thin = {name: table.iloc[:0] for name, table in tables.items()}
    thin["checkpoints"] = tables["checkpoints"].assign(text_loss=np.nan)
    assert re.search(r"\bno\b|nothing|too few", words(drawn(kind, thin)))


def test_a_missing_cell_has_a_cross_a_dotted_bridge_and_no_point(tables: Tables) -> None:
    figure = drawn("in_domain", tables)
    heights = line(figure, FULL).get_ydata()
    assert pd.isna(heights).tolist() == [False, True, False, False, False]
    assert len(line(figure, FULL, ":").get_xdata()) == 4
    crosses = [one for one in figure.axes[0].lines if one.get_marker() == "x"]
    assert [len(one.get_xdata()) for one in crosses] == [1]
    assert "x: not evaluated" in words(figure)
    whole = made_tables(replace(MADE, tuned=MADE.steps))
    assert "x: not evaluated" not in words(drawn("in_domain", whole))


@pytest.mark.parametrize(
    "kind",
    [
        "base_by_checkpoint",
        "in_domain",
        "ood",
        "score_by_checkpoint",
        "score_by_format",
        "cross_classification",
        "turning_points",
    ],
)
def test_classification_panels_have_chance_and_the_majority(tables: Tables, kind: str) -> None:
    figure = drawn(kind, tables)
    names = {ax.texts[0].get_text(): ax for ax in figure.axes}
    for name, ax in names.items():
        levels = {
            one.get_linestyle(): one.get_ydata()[0]
            for one in ax.lines
            if one.get_color() == MISSING_COLOUR and len(set(one.get_ydata())) == 1
        }
        expected = {"nli": {":": 1 / 3, "-.": 0.42}, "facts": {":": 1 / 3}, "summary": {}}
        assert levels == expected[name.partition("_")[0]], name
    assert "Dash-dotted: majority, the share of the commonest label." in words(figure)
    unknown = {**tables, "datasets": tables["datasets"].assign(majority=np.nan)}
    assert "majority" not in words(drawn(kind, unknown))


@pytest.mark.parametrize(
    "kind",
    [
        "in_domain",
        "ood",
        "score_by_checkpoint",
        "score_by_format",
        "cross_generation",
        "turning_points",
        "transfer_heat_map",
        "forgetting",
        "transfer_by_checkpoint",
        "transfer_statistics",
        "change_by_group",
        "ood_change",
        "group_rules",
        "latent_gain",
    ],
)
def test_a_figure_of_base_and_tuned_models_says_where_shots_differ(
    tables: Tables, kind: str
) -> None:
    sentence = "Demonstrations in the prompt: 4 for base, 0 for tuned models."
    assert sentence in words(drawn(kind, tables))
    equal = {**tables, "seed_means": tables["seed_means"].assign(shots=4)}
    assert "Demonstrations" not in words(drawn(kind, equal))


def test_a_checkpoint_with_fewer_seeds_is_hollow(tables: Tables) -> None:
    def hollow(figure: Figure) -> list[int]:
        lines = figure.axes[0].lines
        return [len(one.get_xdata()) for one in lines if one.get_markerfacecolor() == "white"]

    assert hollow(drawn("in_domain", tables)) == [1]
    assert hollow(drawn("in_domain", made_tables(replace(MADE, seeds=1)))) == []


def test_bands_are_those_of_the_table(tables: Tables) -> None:
    means = tables["seed_means"]
    own = means[(means["recipe"] == "full") & (means["eval_set"] == means["train_set"])]
    low = own[own["format"] == "default"].query("eval_set == 'facts_people'")["ci_low"]
    bands = drawn("in_domain", tables).axes[0].collections
    tuned = [one for one in bands if isinstance(one, PolyCollection)][1]
    band = np.concatenate([path.vertices[:, 1] for path in tuned.get_paths()])
    assert all(np.isclose(band, value).any() for value in low[1:])


def test_a_point_without_neighbours_shows_its_interval(tables: Tables) -> None:
    means = tables["seed_means"]
    own = means[(means["recipe"] == "full") & (means["train_set"] == "facts_people")]
    first = own[(own["eval_set"] == "facts_people") & (own["format"] == "default")].iloc[0]
    lines = [
        segment[:, 1].tolist()
        for one in drawn("in_domain", tables).axes[0].collections
        if isinstance(one, LineCollection)
        for segment in one.get_segments()
    ]
    assert lines == [pytest.approx([first["ci_low"], first["ci_high"]])]


def test_without_items_there_is_no_band_and_the_figure_says_why(tables: Tables) -> None:
    figure = drawn("base_by_checkpoint", without_items(tables))
    assert all(not ax.collections for ax in figure.axes)
    assert "intervals need the items" in words(figure)
    assert "n unknown" in words(figure)


def test_bands_of_given_scores_are_over_no_items(tables: Tables) -> None:
    published = {**tables, "checkpoints": tables["checkpoints"].assign(source="published")}
    text = words(drawn("in_domain", published))
    assert "over seeds, of a single score as published, or of its standard error" in text
    assert "over seeds and items" in words(drawn("in_domain", tables))
    base = words(drawn("base_by_checkpoint", published))
    assert "95 % interval as published, or of its standard error or items" in base
    # Without items, what is due to chance is unknown.
    assert "chance makes it positive" in words(drawn("sensitivity", published))
    assert "less the mean of what chance alone gives" in words(drawn("sensitivity", tables))


def test_a_hole_of_the_series_is_grey_in_every_panel(tables: Tables) -> None:
    figure = drawn("base_by_checkpoint", tables)
    assert [len(ax.patches) for ax in figure.axes] == [1] * len(MADE.sets)
    assert "no checkpoint exists there (1.4B tokens)" in words(figure)
    whole = {**tables, "checkpoints": tables["checkpoints"].assign(gap_before=pd.NA)}
    assert not drawn("base_by_checkpoint", whole).axes[0].patches


def test_missing_fields_are_hatched_and_those_under_the_floor_in_brackets(tables: Tables) -> None:
    figure = drawn("forgetting", tables)
    *panels, _ = figure.axes  # and the colour bar
    assert [sum(patch.get_hatch() is not None for patch in ax.patches) for ax in panels] == [1] * (
        len(MADE.tuned) + 1
    )
    quiet = (tables["forgetting"]["under_floor"] == "yes").sum()
    assert len(re.findall(r"\([+\N{MINUS SIGN}]?0\.\d\d\)", words(figure))) == quiet > 0


def test_a_field_with_an_unknown_floor_is_in_italics(tables: Tables) -> None:
    def aslant(figure: Figure) -> int:
        return sum(text.get_style() == "italic" for ax in figure.axes for text in ax.texts)

    known = drawn("forgetting", tables)
    assert aslant(known) == 0
    assert "In italics" not in words(known)
    floors = tables["forgetting"].assign(under_floor="")
    floors.loc[[2, 5, 11], "under_floor"] = "unknown"
    some = drawn("forgetting", {**tables, "forgetting": floors})
    assert aslant(some) == 3
    assert "In italics: that floor is unknown." in words(some)


@pytest.mark.parametrize("kind", ["forgetting", "transfer_heat_map"])
def test_a_heat_map_has_a_colour_bar(tables: Tables, kind: str) -> None:
    *panels, bar = drawn(kind, tables).axes
    assert bar.get_ylabel() == "change of score"
    assert bar.get_ylim() == pytest.approx(panels[0].images[0].get_clim())


def test_a_trend_under_the_floor_is_hollow_and_one_of_unknown_floor_half_filled(
    tables: Tables,
) -> None:
    for kind in ("latent_gain", "format_trend"):
        own = tables[kind].copy()
        figure = drawn(kind, {**tables, kind: own})
        hollow = sum(one.get_markerfacecolor() == "white" for one in figure.axes[1].lines)
        assert hollow == (own["under_floor"] == "yes").sum()
        assert "alf filled" not in words(figure)
        own.loc[0, "under_floor"] = "unknown"
        figure = drawn(kind, {**tables, kind: own})
        half = [one for one in figure.axes[1].lines if one.get_fillstyle() == "bottom"]
        assert len(half) == 1
        assert "Half filled: that floor is unknown." in words(figure)


def test_the_curves_of_trends_have_no_mark_of_their_own(tables: Tables) -> None:
    for kind in ("latent_gain", "format_trend"):
        figure = drawn(kind, tables)
        assert all(one.get_markerfacecolor() != "white" for one in figure.axes[0].lines)
        assert "Dotted lines pass by checkpoints without a tuned model." in words(figure)
        every = made_tables(replace(MADE, tuned=MADE.steps))
        assert "Dotted lines" not in words(drawn(kind, every))


def test_a_trend_without_an_interval_is_said_to_have_none(tables: Tables) -> None:
    own = tables["format_trend"]
    assert "No whisker" not in words(drawn("format_trend", tables))
    few = {**tables, "format_trend": own.assign(low=np.nan, high=np.nan)}
    assert "No whisker: too few checkpoints, or sets" in words(drawn("format_trend", few))


def test_the_papers_number_is_drawn_with_the_mean_ratio(tables: Tables) -> None:
    figure = drawn("transfer_statistics", tables)
    crosses = [
        (ax.texts[0].get_text(), float(one.get_xdata()[0]))
        for ax in figure.axes
        for one in ax.lines
        if one.get_marker() == "x"
    ]
    assert crosses == [
        ("mean ratio", -0.614),
        ("mean ratio", 0.003),
    ]


def test_statistics_of_a_kind_share_an_axis_and_those_beyond_it_are_arrows(tables: Tables) -> None:
    own = tables["transfer"].copy()
    pooled = own["checkpoint"] == "all"
    pair = (own["train_kind"] == "generation") & (own["eval_kind"] == "generation")
    far = pooled & pair & (own["statistic"] == "mean_ratio")
    own.loc[far, ["value", "low", "high", "cells"]] = [24.3, 1.0, 90.0, 4]
    figure = drawn("transfer_statistics", {**tables, "transfer": own})
    assert [ax.texts[0].get_text() for ax in figure.axes] == [
        *("mean ratio", "ratio of means", "median ratio", "mean change", "normalised change")
    ]
    limits = [ax.get_xlim() for ax in figure.axes]
    assert len(set(limits[:3])) == len(set(limits[3:])) == 1
    assert limits[0][1] == pytest.approx(1.0, abs=0.1)
    arrows = [[one for one in ax.lines if one.get_marker() == ">"] for ax in figure.axes]
    assert [len(found) for found in arrows] == [1, 0, 0, 0, 0]
    assert "generation to generation: +2430.0 % (4 cells)" in words(figure)


def test_a_turning_point_lies_where_the_table_says(tables: Tables) -> None:
    figure = drawn("turning_points", tables)
    names = [ax.texts[0].get_text() for ax in figure.axes]
    marks = [one for one in figure.axes[names.index("nli_people")].lines if one.get_marker() == "D"]
    assert [float(one.get_xdata()[0]) for one in marks] == [pytest.approx(np.log10(7e8))]
    assert "still rising" in words(figure)


def test_tuned_curves_too_short_for_a_turning_point_are_left_out(tables: Tables) -> None:
    assert "Left out" not in words(drawn("turning_points", tables))
    own = tables["turning_points"].copy()
    own.loc[own["train_set"] == "nli_people", "shape"] = "too_few"
    figure = drawn("turning_points", {**tables, "turning_points": own})
    assert "tuned on nli_people" in words(figure)  # on another set of its task

    def lines(figure: Figure, name: str) -> set[str]:
        (panel,) = [ax for ax in figure.axes if ax.texts[0].get_text() == name]
        return {str(one.get_color()) for one in panel.lines}

    full = drawn("turning_points", tables)
    assert len(lines(full, "nli_people") - lines(figure, "nli_people")) == 1
    assert lines(full, "nli_places") == lines(figure, "nli_places")
    assert "Left out: tuned models at fewer than 5 checkpoints." in words(figure)


def test_base_scores_that_no_change_divides_by_are_not_counted(tables: Tables) -> None:
    means, own = tables["seed_means"], tables["denominators"]
    at_last = own[own["step"] == 3000].assign(flag="at_chance", step=100, checkpoint="100")
    more = {**tables, "denominators": pd.concat([own, at_last], ignore_index=True)}
    assert (
        differences(content(drawn("denominators", tables)), content(drawn("denominators", more)))
        == []
    )
    fewer = means[(means["recipe"] == "base") | (means["eval_set"] != "facts_people")]
    counted = {**tables, "seed_means": fewer}
    left = own[own["eval_set"] != "facts_people"]
    text = words(drawn("denominators", counted))
    assert f"c: at chance ({(left['flag'] == 'at_chance').sum()})" in text
    assert "facts_people" not in text


@pytest.mark.parametrize(
    "kind",
    [
        *("forgetting", "transfer_heat_map", "transfer_statistics"),
        *("change_by_group", "group_rules", "ood_change"),
    ],
)
def test_a_mean_over_checkpoints_says_that_one_is_untrained(tables: Tables, kind: str) -> None:
    sentence = "One checkpoint is untrained (0 tokens): it has learned nothing to lose."
    assert sentence in words(drawn(kind, tables))
    means = tables["seed_means"]
    trained = means[(means["tokens"] > 0) | (means["recipe"] == "base")]
    assert sentence not in words(drawn(kind, {**tables, "seed_means": trained}))


def test_a_turning_point_is_drawn_on_the_measure_that_it_is_of(tables: Tables) -> None:
    by_name = {ax.texts[0].get_text(): ax for ax in drawn("turning_points", tables).axes}
    base = tables["seed_means"].query("recipe == 'base' and eval_set == 'facts_people'")
    assert "probability of the right option" in by_name["facts_people"].texts[1].get_text()
    assert list(by_name["facts_people"].lines[0].get_ydata()) == base["probability"].tolist()
    by_score = tables["turning_points"].assign(measure="score")
    figure = drawn("turning_points", {**tables, "turning_points": by_score})
    by_name = {ax.texts[0].get_text(): ax for ax in figure.axes}
    assert by_name["facts_people"].texts[1].get_text() == "accuracy"
    assert list(by_name["facts_people"].lines[0].get_ydata()) == base["score"].tolist()


def test_rounding_errors_do_not_look_like_differences(tables: Tables) -> None:
    tiny = {"slope": 1e-17, "low": -1e-17, "high": 2e-17, "floor": np.nan}
    slopes = tables["latent_gain"].assign(**tiny)
    means = tables["seed_means"].assign(change=1e-17)
    figure = drawn("latent_gain", {**tables, "latent_gain": slopes, "seed_means": means})
    curves, forest = figure.axes
    for low, high in (curves.get_ylim(), forest.get_xlim()):
        assert high - low == pytest.approx(0.02)


def test_one_checkpoint_is_drawn_as_bars() -> None:
    alone = made_tables(Made(steps=(3000,), tuned=(3000,)))
    figure = drawn("score_by_format", alone)
    assert [len(ax.patches) for ax in figure.axes] == [4, 4]
    means = alone["seed_means"]
    gone = means[~((means["format"] == "io") & (means["eval_set"] == "nli_people"))]
    figure = drawn("score_by_format", {**alone, "seed_means": gone})
    assert [len(ax.patches) for ax in figure.axes] == [3, 4]


def test_a_checkpoint_that_breaks_the_curve_is_crossed_and_passed_by(tables: Tables) -> None:
    assert "does not fit" not in words(drawn("text_loss", tables))
    broken = tables["checkpoints"].assign(breaks_curve=["", "yes", "", "", ""])
    figure = drawn("text_loss", {**tables, "checkpoints": broken})
    assert "does not fit" in words(figure)
    assert [len(one.get_xdata()) for one in figure.axes[0].lines[:2]] == [4, 1]


def test_tuned_models_losses_are_means_of_the_main_recipe_s_seeds(tables: Tables) -> None:
    figure = drawn("text_loss", tables)
    losses = tables["text_losses"]
    own = losses[(losses["recipe"] == "full") & (losses["train_set"] == "facts_people")]
    means = own.groupby("checkpoint")["tuned_loss"].mean()
    heights = line(figure, FULL).get_ydata()
    wanted = [means.get(str(step), np.nan) for step in MADE.steps]
    assert heights.tolist() == pytest.approx(wanted, nan_ok=True)
    assert "Tuned by full: means of 1 to 2 seeds" in words(figure)
    assert "Dotted lines pass checkpoints that were not tuned." in words(figure)
    alone = drawn("text_loss", {**tables, "text_losses": losses.iloc[:0]})
    assert "uned" not in words(alone)
    assert len(alone.axes[0].lines) < len(figure.axes[0].lines)


def test_a_step_that_no_checkpoint_has_and_an_unknown_family_are_refused(tables: Tables) -> None:
    fewer = tables["checkpoints"][tables["checkpoints"]["step"] != 300]
    with pytest.raises(StudyError, match=r"\['300'\]"):
        drawn("base_by_checkpoint", {**tables, "checkpoints": fewer})
    with pytest.raises(StudyError, match="zoo"):
        _ = View("zoo", tables, 0.95, "full").axis
    twice = tables["transfer"].assign(checkpoint="3000")
    with pytest.raises(StudyError, match="by checkpoint"):
        drawn("transfer_by_checkpoint", {**tables, "transfer": twice})


# --- which figures there are ---------------------------------------------------------------------


def pieces() -> list[Piece]:
    """What a study asks for that has every figure but that of published scores."""
    tuned = replace(BASE, recipe="full", train_set="nli_people", role="id", seeds=frozenset({0, 1}))
    sets = [(tuned.eval_set, "id"), ("nli_places", "ood"), ("facts_people", "cross")]
    return [BASE] + [
        replace(tuned, eval_set=name, role=role, format=form)
        for name, role in sets
        for form in ("default", "io")
    ]


def test_a_study_has_the_figures_that_it_can_show() -> None:
    def kinds(*asked: Piece, **settings: Any) -> list[str]:
        return [figure.name for figure in figure_list(asked, "full", **settings)]

    assert kinds(BASE) == ["base_by_checkpoint", "text_loss"]
    four, five = (replace(BASE, points=points(*(3**n for n in range(k)))) for k in (4, 5))
    assert kinds(four, measured=False) == ["base_by_checkpoint"]
    assert kinds(five, measured=False) == ["base_by_checkpoint", "turning_points"]
    assert "noise" in kinds(replace(BASE, points=points(1000, 1001)))
    # The last checkpoint under two labels, as the paper's 738000 and main.
    assert "noise" in kinds(replace(BASE, points=frozenset({(9, "9"), (9, "main")})))
    one = replace(BASE, recipe="full", train_set="nli_people", role="id", seeds=frozenset({0}))
    other_block = replace(one, seeds=frozenset({1}))
    assert "noise" not in kinds(one)
    assert "noise" in kinds(one, other_block)
    several = kinds(*pieces())
    assert {"score_by_format.nli_people", "sensitivity", "format_trend", "noise"} <= set(several)
    assert {"cross_classification", "ood", "latent_gain"} <= set(several)
    assert "cross_generation" not in several
    plain = kinds(*(piece for piece in pieces() if piece.format == "default"))
    assert set(several) - set(plain) == {
        "score_by_format.nli_people",
        "sensitivity",
        "format_trend",
    }
    other = [figure.name for figure in figure_list(pieces(), "lora")]
    assert "in_domain" not in other
    assert "score_by_checkpoint.nli_people" in other


def test_many_recipes_are_points_of_one_figure() -> None:
    def kinds(recipes: int, *roles: str) -> list[str]:
        asked = [
            replace(BASE, recipe=f"r{number}", train_set="a", role=role)
            for number in range(recipes)
            for role in roles
        ]
        return [figure.name for figure in figure_list(asked, "r0")]

    few, many = kinds(MOST_RECIPES, "id", "cross"), kinds(MOST_RECIPES + 1, "id", "cross")
    assert "score_by_checkpoint.a" in few
    assert "score_by_recipe.a" not in few
    assert "score_by_checkpoint.a" not in many
    assert "score_by_recipe.a" in many
    assert "score_by_recipe.a" not in kinds(MOST_RECIPES + 1, "id")
    assert "score_by_recipe.a" not in kinds(MOST_RECIPES + 1, "cross")


def test_a_recipe_is_best_if_none_is_better_on_both() -> None:
    across = np.array([0.1, 0.3, 0.3, 0.5, 0.5, 0.2])
    up = np.array([0.9, 0.8, 0.7, 0.2, 0.2, 0.8])
    assert unbeaten(across, up).tolist() == [True, True, False, True, True, False]


def test_a_noise_floor_has_a_row_per_metric_of_a_set(tables: Tables) -> None:
    noise = tables["noise"]
    first = noise[noise["eval_set"] == "nli_people"]
    both = pd.concat([noise, first.assign(metric="probability")], ignore_index=True)
    found = words(drawn("noise", {**tables, "noise": both}))
    assert "nli_people, probability" in found
    assert "nli_people, accuracy" in found
    assert "nli_places, accuracy" not in found


def test_the_catalogue_is_whole() -> None:
    assert [kind.name for kind in KINDS] == list(DRAWN)
    assert {kind.theme for kind in KINDS} == set(THEMES)
    assert set().union(*(kind.tables for kind in KINDS)) <= set(all_tables())
    captions = {path.stem for path in (ROOT / "workflow/report").glob("figure_*.rst")}
    assert captions == {f"figure_{kind.name}" for kind in KINDS}


def test_the_page_lists_every_figure_and_those_of_the_paper() -> None:
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    theirs = dict(re.findall(r"^\| (\d+) \|[^|]*\| (.*?) \|$", page, re.M))
    assert [int(number) for number in theirs] == list(range(2, 16))
    for number, ours in theirs.items():
        named = set(re.findall(r"`(\w+)`", ours))
        assert named == {kind.name for kind in KINDS if int(number) in kind.paper}, number
    listed = re.findall(r"^\| `(\w+)` \|", page, re.M)
    assert listed == [kind.name for theme in THEMES for kind in KINDS if kind.theme == theme]


def test_every_figure_has_a_caption_that_is_sound_restructuredtext() -> None:
    folder = ROOT / "workflow" / "report"
    for kind in KINDS:
        text = (folder / f"figure_{kind.name}.rst").read_text(encoding="utf-8")
        docutils.core.publish_string(text, settings_overrides={"halt_level": 2})
        assert len(text) > 100


def test_references_hold_no_more_than_is_read(tables: Tables) -> None:
    stored = json.dumps(content(drawn("in_domain", tables)))
    assert len(stored) < 10_000


def test_many_names_have_different_looks() -> None:
    looks = colours([str(number) for number in range(20)])
    assert len(set(looks.values())) == 20


def test_numbers_are_written_for_people() -> None:
    assert signed(-0.1234) == "\N{MINUS SIGN}0.123"
    assert signed(0.0004) == "0.000"
    assert signed(float("nan")) == "n/a"
    assert percent(0.614) == "+61.4 %"
    assert interval_text(-0.1, 0.2, 0.95) == "95 % interval \N{MINUS SIGN}0.100 to +0.200"
    assert interval_text(float("nan"), 0.2, 0.95) == "no interval"
    assert [short_count(value) for value in (0, 512, 1024, 4.194e9, 3.0955e12)] == [
        "0",
        "512",
        "1.02k",
        "4.19B",
        "3.1T",
    ]
