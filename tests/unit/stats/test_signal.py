"""Noise of the last checkpoints, between equal runs, signal, and decision accuracy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import asked, published_tables

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.statistics import StatisticsSettings
from tuning_dynamics.stats.decisions import decision_accuracy, decision_rows
from tuning_dynamics.stats.signal import signal_rows
from tuning_dynamics.stats.summarise import summary_tables
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

KEY: dict[str, Any] = {
    "family": "a",
    "recipe": "base",
    "train_set": "",
    "eval_set": "arc",
    "task": "multiple_choice",
    "kind": "multiple_choice",
    "role": "",
    "format": "default",
    "shots": 5,
    "prediction": "likelihood",
    "metric": "accuracy",
}


def points(scores: Sequence[float], *, every: int = 1000, **key: Any) -> list[dict[str, Any]]:
    """Rows of seed_means.csv: a curve with these scores, at steps `every`, 2 `every`, …"""
    return [
        {
            **dict.fromkeys(columns_of("seed_means")),
            **KEY,
            **key,
            "checkpoint": str(every * place),
            "step": every * place,
            "tokens": every * place * 1024,
            "score": score,
        }
        for place, score in enumerate(scores, start=1)
    ]


def means(*curves: list[dict[str, Any]]) -> pd.DataFrame:
    return from_rows([row for curve in curves for row in curve], "seed_means")


def tuned(recipe: str, scores: Sequence[float], **key: Any) -> list[dict[str, Any]]:
    return points(scores, recipe=recipe, train_set="t", role="id", **key)


def signal(*curves: list[dict[str, Any]], last: int = 10, **reruns: str) -> pd.DataFrame:
    return signal_rows(means(*curves), last=last, reruns=reruns).set_index("family")


def test_noise_is_the_population_deviation_of_the_last_ten_checkpoints() -> None:
    scores = np.random.default_rng(0).uniform(0.3, 0.7, size=25)
    # In any order of rows, and whatever lies in another format.
    rows = points(scores)[::-1] + points(np.full(25, 0.9), format="io")
    row = signal(rows).loc["a"]
    assert row["sd_last"] == pytest.approx(np.std(scores[-10:]), abs=1e-15)
    assert row["relative_sd"] == pytest.approx(np.std(scores[-10:]) / np.mean(scores[-10:]))
    assert (row["checkpoints"], row["first"]) == (10, "16000")
    assert row["share"] == pytest.approx(16 / 25)
    assert np.isnan(row["snr"])
    assert row["reason"] == "one family: no signal"


def test_fewer_checkpoints_are_said_and_below_three_there_is_no_noise() -> None:
    few = signal(points([0.1, 0.2, 0.6])).loc["a"]
    assert (few["checkpoints"], few["sd_last"]) == (3, pytest.approx(np.std([0.1, 0.2, 0.6])))
    two = signal(points([0.1, 0.2])).loc["a"]
    assert two[["sd_last", "relative_sd", "sd_detrended"]].isna().all()
    assert two["reason"] == "2 checkpoints, noise needs 3; one family: no signal"


def test_what_is_learnt_is_not_in_the_detrended_deviation() -> None:
    line = np.linspace(0.2, 0.65, 10)
    assert signal(points(line)).loc["a", "sd_detrended"] == pytest.approx(0, abs=1e-12)
    bent = line + np.random.default_rng(1).normal(0, 0.01, size=10)
    slope, start = np.polyfit(np.arange(10), bent, 1)
    rest = bent - (slope * np.arange(10) + start)
    found = signal(points(bent)).loc["a"]
    assert found["sd_detrended"] == pytest.approx(np.sqrt((rest**2).sum() / 8))
    assert found["sd_detrended"] < found["sd_last"] / 5


def test_signal_is_the_dispersion_of_last_scores_over_the_noise() -> None:
    one, other = [0.5, 0.5, 0.4, 0.6], [0.1, 0.2, 0.3, 0.3]
    rows = signal(points(one), points(other, family="b", every=500), last=3)
    # Last scores .6 and .3: a range of .3 over a mean of .45.
    assert rows["signal"].tolist() == pytest.approx([0.3 / 0.45] * 2)
    noise = np.std(one[-3:]) / np.mean(one[-3:])
    assert rows.loc["a", "snr"] == pytest.approx(0.3 / 0.45 / noise)
    assert rows["reason"].tolist() == ["", ""]


def test_curves_that_are_evaluated_in_other_ways_give_no_signal() -> None:
    rows = signal(points([0.5, 0.4, 0.6]), points([0.1, 0.2, 0.3], family="b", shots=0))
    assert rows["families"].tolist() == [1, 1]
    metrics = signal(points([0.5, 0.4, 0.6]), points([0.1, 0.2, 0.3], metric="probability"))
    assert metrics["families"].tolist() == [1, 1]
    assert metrics["metric"].tolist() == ["accuracy", "probability"]


def test_equal_runs_give_the_deviation_between_runs_and_no_signal() -> None:
    one, again = [0.1, 0.5, 0.6, 0.7], [0.3, 0.52, 0.56, 0.8]
    rerun = points(again, family="again") + points([0.9], family="again", every=9000)
    rows = signal(points(one), rerun, last=3, again="a")
    # The last three common checkpoints; a pair's variance is half its squared difference.
    expected = np.sqrt(np.mean([(0.02**2) / 2, (0.04**2) / 2, (0.1**2) / 2]))
    assert rows.loc["a", "sd_reruns"] == pytest.approx(expected)
    assert rows["reruns"].to_dict() == {"a": 1, "again": 0}
    assert rows["rerun_checkpoints"].to_dict() == {"a": 3, "again": 0}
    assert rows["families"].tolist() == [1, 1]
    assert np.isnan(rows.loc["again", "sd_reruns"])


def test_scores_without_spread_or_mean_give_no_ratio() -> None:
    rows = signal(points([0.5] * 3), points([0.0] * 3, family="b"))
    assert rows["snr"].isna().all()
    assert rows.loc["a", "reason"] == "the last checkpoints score alike: no ratio"
    assert rows.loc["b", "reason"] == "all scores are 0"


def test_decision_accuracy_by_hand() -> None:
    # Last order d > c > b > a. Early: a-b reversed, a-c right, a-d right, b-c tied, b-d right,
    # c-d right.
    share, pairs = decision_accuracy(np.array([2.0, 1, 1, 3]) * 0.1, np.arange(1, 5) * 0.1)
    early = {"a-b": 0, "a-c": 0, "a-d": 1, "b-c": 0.5, "b-d": 1, "c-d": 1}
    assert (share, pairs) == (pytest.approx(sum(early.values()) / 6), 6)
    # A pair that is tied at last does not count.
    assert decision_accuracy(np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.5, 0.6])) == (1.0, 2)
    share, pairs = decision_accuracy(np.array([0.1, 0.2]), np.array([0.5, 0.5]))
    assert (np.isnan(share), pairs) == (True, 0)


def test_families_are_compared_at_the_same_share_of_their_own_pre_training() -> None:
    # At a half: a .3 (checkpoint 4 of 8), b .2 (2 of 5: no more than 2.5), c .1; last: a < b < c.
    rows = decision_rows(
        means(
            points([0, 0.25, 0.1, 0.3, 0.1, 0.1, 0.1, 0.4]),
            points([0.1, 0.2, 0.9, 0.9, 0.5], family="b"),
            points([0.1, 0.6], family="c", every=77),
            points([0.9, 0.9], family="rerun"),
        ),
        {"rerun": "a"},
    ).set_index("share")
    half = rows.loc[0.5]
    assert (half["models"], half["pairs"], half["decision_accuracy"]) == (3, 3, 0)
    # At a quarter a has .25 and b .1; c has no checkpoint from an eighth to a quarter.
    quarter = rows.loc[0.25]
    assert (quarter["models"], quarter["pairs"], quarter["decision_accuracy"]) == (2, 1, 0)
    eighth = rows.loc[0.125]
    assert (eighth["models"], eighth["pairs"]) == (1, 0)
    assert np.isnan(eighth["decision_accuracy"])
    assert eighth["reason"].startswith("fewer than two models")
    assert (rows["compared"] == "families").all()


def test_tuned_models_are_compared_at_each_earlier_checkpoint() -> None:
    rows = decision_rows(
        means(
            points([0.2, 0.2, 0.2]),
            tuned("full", [0.3, 0.6, 0.7]),
            tuned("lora", [0.4, 0.5, 0.6]),
            tuned("ia3", [0.1, 0.2, 0.5]),
        ),
        {},
    )
    own = rows[rows["compared"] == "tuned models"].set_index("checkpoint")
    assert own["decision_accuracy"].to_dict() == pytest.approx({"1000": 2 / 3, "2000": 1.0})
    assert own["share"].to_dict() == pytest.approx({"1000": 1 / 3, "2000": 2 / 3})
    assert own["models"].tolist() == [3, 3]
    alone = rows[rows["compared"] == "families"]
    assert (alone["models"].tolist(), alone["reason"].tolist()) == ([1], ["one family"])


@pytest.mark.parametrize(
    ("curves", "reason"),
    [
        ([tuned("full", [0.3, 0.6])], "one tuned model"),
        ([tuned("full", [0.3]), tuned("lora", [0.4])], "one checkpoint"),
    ],
)
def test_a_row_says_why_tuned_models_are_not_compared(
    curves: list[list[dict[str, Any]]], reason: str
) -> None:
    (row,) = decision_rows(means(*curves), {}).to_dict("records")
    assert (row["compared"], row["pairs"], row["reason"]) == ("tuned models", 0, reason)
    assert np.isnan(row["decision_accuracy"])


def test_the_settings_reach_the_tables_and_unknown_families_are_refused() -> None:
    tables = published_tables()
    found = summary_tables(tables, asked(last_checkpoints=3), ["signal"])["signal"]
    assert (found["checkpoints"] == 3).all()
    with pytest.raises(StudyError, match="no 'tai'") as error:
        summary_tables(tables, asked(reruns={"tai": "toy"}), ["signal"])
    assert error.value.key == "statistics.reruns"
    with pytest.raises(ValueError, match="which is a rerun"):
        StatisticsSettings(reruns={"c": "b", "b": "a"})
