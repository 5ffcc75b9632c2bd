"""The findings recover planted effects, and a small study has no verdict."""

from dataclasses import replace
from typing import Any

import pytest
from planted import (
    NOTHING,
    Planted,
    PlantedJobs,
    planted_findings,
    planted_jobs,
    published_findings,
)

PUBLISHED = ("forgetting", "format_sensitivity", "latent_gain", "dichotomy")


def grid(**blocks: Any) -> PlantedJobs:
    """Four train sets of each kind; `blocks` restrict the axes of every block."""
    return planted_jobs("tests/helpers/planted.yaml", **blocks)


def test_planted_effects_come_back_with_direction_and_interval() -> None:
    jobs, planted = grid(), Planted(items=300)
    found = planted_findings(jobs, planted)
    for slug, value in planted.truth(jobs).items():
        row = found.loc[slug]
        assert row["verdict"] == "supported", row["sentence"]
        assert row["low"] <= value <= row["high"], row["sentence"]
        assert row["value"] == pytest.approx(value, abs=0.03)
    # Two seeds were tuned, so that the floor is known.
    assert found.loc["noise_floor", "value"] < 0.04


def test_opposite_effects_are_contradicted() -> None:
    opposite = Planted(
        items=300,
        forgetting=0.12,
        gain_new=-0.1,
        gain_learned=0.1,
        gain_slope=-0.06,
        spread=0.15,
        spread_slope=0.06,
        seed=1,
    )
    jobs = grid()
    (found,) = published_findings(jobs, [opposite])
    assert list(found["verdict"].loc[list(PUBLISHED)]) == ["contradicted"] * 4
    for slug, value in opposite.truth(jobs).items():
        assert found.loc[slug, "low"] <= value <= found.loc[slug, "high"]


def test_nothing_is_found_where_nothing_is_planted() -> None:
    (found,) = published_findings(grid(), [replace(NOTHING, seed=3)])
    assert not (found["verdict"] == "supported").any()
    # That effects are small can be shown; that they are on the other side can't.
    assert ((found["low"] < 0) & (found["high"] > 0)).all()


def test_a_study_with_fewer_pairs_gives_no_verdict() -> None:
    (found,) = published_findings(grid(train_sets=["nli_people"]), [Planted()])
    assert list(found["verdict"].loc[list(PUBLISHED)]) == ["cannot tell"] * 4
    for slug, reason in (
        ("forgetting", "No interval: 1 train set where 2 are needed."),
        ("format_sensitivity", "No interval: 1 train set"),
        (
            "latent_gain",
            "no tuned evaluation set is among those not shown to be learned in pre-training",
        ),
    ):
        assert reason in found.loc[slug, "sentence"]


def test_a_study_with_fewer_checkpoints_gives_no_verdict() -> None:
    found = planted_findings(grid(checkpoints=[0, 2400]), Planted())
    verdicts = found["verdict"].loc[list(PUBLISHED)]
    # What needs no slope and no trend stays.
    assert list(verdicts) == ["supported"] + ["cannot tell"] * 3
    assert "the 3 checkpoints that a slope needs" in found.loc["format_sensitivity", "sentence"]
    assert "2 checkpoints where 5 are needed" in found.loc["turning_point", "sentence"]


def test_a_study_with_few_items_gives_no_verdict_on_small_effects() -> None:
    small = Planted(
        forgetting=-0.03,
        gain_new=0.03,
        gain_slope=0.02,
        spread_slope=-0.02,
        between=0.05,
        between_cells=0.1,
        items=15,
        seed=3,
    )
    (found,) = published_findings(grid(), [small])
    assert list(found["verdict"].loc[list(PUBLISHED)]) == ["cannot tell"] * 4
