"""Every figure is made from tables, whole or thin; missing cells show as missing."""

from collections.abc import Callable
from pathlib import Path

import docutils.core
import pandas as pd
import pytest
from matplotlib.figure import Figure
from unit.synthetic import Truth, study_tables, write_cells

from tuning_dynamics.report.axes import token_axis
from tuning_dynamics.report.curve import text_loss_by_checkpoint
from tuning_dynamics.report.figures import (
    base_by_checkpoint,
    change_by_group,
    ood_bars,
    score_by_checkpoint,
    sensitivity_by_checkpoint,
    transfer_by_checkpoint,
    transfer_heat_map,
)
from tuning_dynamics.report.numbers import interval_text, percent, short_count, signed
from tuning_dynamics.report.style import colours, save
from tuning_dynamics.stats.tables import TABLES
from tuning_dynamics.study.errors import StudyError

Tables = dict[str, pd.DataFrame]
ROOT = Path(__file__).parents[2]

TRUTH = Truth(
    steps=(0, 100, 1000, 10000),
    domains=("people", "places"),
    items=30,
    seeds=(1, 2),
    tasks=("nli", "summary"),
    recipes=("full", "lora"),
)

FIGURES: dict[str, Callable[[Tables], Figure]] = {
    "score_by_checkpoint": lambda t: score_by_checkpoint(
        t["scores"], family="toy", train_set="nli_people", level=0.95
    ),
    "score_by_format": lambda t: score_by_checkpoint(
        t["scores"], family="toy", train_set="nli_people", level=0.95, by="format"
    ),
    "base_by_checkpoint": lambda t: base_by_checkpoint(
        t["scores"], t["groups"], family="toy", level=0.95
    ),
    "change_by_group": lambda t: change_by_group(t["group_changes"], family="toy", level=0.95),
    "ood": lambda t: ood_bars(t["scores"], family="toy", recipe="full", level=0.95),
    "transfer_heat_map": lambda t: transfer_heat_map(t["changes"], family="toy", recipe="full"),
    "transfer_by_checkpoint": lambda t: transfer_by_checkpoint(
        t["transfer"], t["scores"], family="toy", level=0.95
    ),
    "sensitivity": lambda t: sensitivity_by_checkpoint(
        t["sensitivity"], t["scores"], family="toy", level=0.95
    ),
    "text_loss": lambda t: text_loss_by_checkpoint(t["checkpoints"], family="toy"),
}
# One value a checkpoint and pair: their intervals are elsewhere, or there are none.
WITHOUT_INTERVAL = ("transfer_heat_map", "text_loss")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return study_tables(write_cells(tmp_path_factory.mktemp("study"), TRUTH), TRUTH)


def words(figure: Figure) -> list[str]:
    """All text in the figure."""
    return [text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_twice_with_equal_bytes(
    tables: Tables, name: str, tmp_path: Path
) -> None:
    for folder in "ab":
        save(FIGURES[name](tables), tmp_path / folder / f"{name}.svg")
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / folder / f"{name}.{suffix}").read_bytes() for folder in "ab")
        assert first == second
        assert len(first) > 5000


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_a_study_without_tuning_says_so(tables: Tables, name: str) -> None:
    thin = {key: table.iloc[:0] for key, table in tables.items()}
    thin["scores"] = tables["scores"][tables["scores"]["recipe"] == "base"]
    assert any(" no " in f" {text} " for text in words(FIGURES[name](thin)))


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in WITHOUT_INTERVAL])
def test_a_figure_states_its_interval(tables: Tables, name: str) -> None:
    assert any("95 %" in text for text in words(FIGURES[name](tables)))


@pytest.mark.parametrize("name", ["score_by_checkpoint", "score_by_format", "ood"])
def test_a_missing_cell_is_marked_and_no_point_is_drawn(tables: Tables, name: str) -> None:
    scores = tables["scores"]
    gone = (
        (scores["step"] == 1000)
        & (scores["eval_set"] == "nli_places")
        & (scores["train_set"] == "nli_people")
        & (scores["recipe"] == "full")
    )
    assert "n/a" not in words(FIGURES[name](tables))
    figure = FIGURES[name]({**tables, "scores": scores[~gone]})
    assert "n/a" in words(figure)


def test_a_missing_line_has_a_gap_and_no_zero(tables: Tables) -> None:
    scores = tables["scores"]
    gone = scores[~((scores["step"] == 1000) & (scores["recipe"] == "full"))]
    axes = FIGURES["score_by_checkpoint"]({**tables, "scores": gone}).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "full")
    heights = line.get_ydata()
    assert pd.isna(heights[2])
    assert pd.notna(heights[[0, 1, 3]]).all()


def test_a_step_that_lacks_one_seed_is_a_gap(tables: Tables) -> None:
    scores = tables["scores"]
    gone = (scores["step"] == 1000) & (scores["recipe"] == "full") & (scores["seed"] == 2)
    kept = scores[~gone.fillna(False).astype(bool)]
    axes = FIGURES["score_by_checkpoint"]({**tables, "scores": kept}).axes[0]
    heights = next(line for line in axes.lines if line.get_label() == "full").get_ydata()
    assert pd.isna(heights).tolist() == [False, False, True, False]


def test_a_missing_pair_of_the_heat_map_is_hatched(tables: Tables) -> None:
    changes = tables["changes"]
    gone = changes[
        ~((changes["train_set"] == "nli_people") & (changes["eval_set"] == "summary_people"))
    ]

    def hatched(table: pd.DataFrame) -> int:
        figure = transfer_heat_map(table, family="toy", recipe="full", checkpoint="1000")
        return sum(patch.get_hatch() is not None for patch in figure.axes[0].patches)

    assert (hatched(changes), hatched(gone)) == (0, 1)


def test_a_score_may_lie_outside_its_percentile_interval(tables: Tables) -> None:
    scores = tables["scores"].assign(ci_low=lambda t: t["score"] + 0.01)
    FIGURES["ood"]({**tables, "scores": scores})


def losses(tables: Tables, **columns: object) -> Figure:
    return text_loss_by_checkpoint(tables["checkpoints"].assign(**columns), family="toy")


def test_a_checkpoint_that_breaks_the_curve_is_crossed_and_passed_by(tables: Tables) -> None:
    assert "does not fit" not in words(losses(tables))
    figure = losses(tables, breaks_curve=["", "yes", "", ""])
    assert "does not fit" in words(figure)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines[:2]] == [3, 1]


def test_a_hole_of_the_series_is_shaded_and_named(tables: Tables) -> None:
    gaps = pd.array([None, None, 890_000_000_000, None], dtype="Int64")
    figure = losses(tables, gap_before=gaps)
    assert "none for\n890B tokens" in words(figure)
    assert len(figure.axes[0].patches) == 1
    assert not losses(tables).axes[0].patches


def test_a_study_of_one_checkpoint_has_a_curve(tables: Tables, tmp_path: Path) -> None:
    one = tables["checkpoints"].tail(1)
    save(text_loss_by_checkpoint(one, family="toy"), tmp_path / "one.svg")
    assert (tmp_path / "one.png").stat().st_size > 5000


def test_a_family_without_scores_and_an_unknown_hue_are_refused(tables: Tables) -> None:
    with pytest.raises(StudyError, match="zoo"):
        token_axis(tables["scores"], "zoo")
    with pytest.raises(StudyError, match="recipe or by format"):
        score_by_checkpoint(
            tables["scores"], family="toy", train_set="nli_people", level=0.95, by="seed"
        )


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


def test_every_table_and_figure_has_a_caption_that_is_sound_restructuredtext() -> None:
    folder = ROOT / "workflow" / "report"
    names = [f"table_{name}" for name in TABLES] + [f"figure_{name}" for name in FIGURES]
    for name in names:
        text = (folder / f"{name}.rst").read_text(encoding="utf-8")
        docutils.core.publish_string(text, settings_overrides={"halt_level": 2})
        assert len(text) > 150
