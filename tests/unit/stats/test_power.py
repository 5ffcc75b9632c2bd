"""The realised power of a study, and that it is the planned one where the assumptions hold."""

import numpy as np
import pandas as pd
import pytest
from assumed_changes import (
    ASSUMED,
    EVAL_SETS,
    ITEMS,
    SEEDS,
    TRAIN_SETS,
    Z,
    changes,
    realised,
    row,
    studies,
)
from synthetic import published_tables

from tuning_dynamics.stats.crossed import Pairs, crossed_mean
from tuning_dynamics.tables.tables import from_rows


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    """The realised power of 60 studies."""
    return studies(60)


def test_a_change_is_as_planned(simulated: pd.DataFrame) -> None:
    found = simulated[simulated["contrast"] == "change"]
    assert (found["seeds"] == SEEDS).all()
    planned = ASSUMED.flips / ITEMS + ASSUMED.sd_seeds**2 / SEEDS
    assert np.sqrt((found["se"] ** 2).mean()) == pytest.approx(np.sqrt(planned), rel=0.05)


def test_one_change_by_hand() -> None:
    rows = [row(change, 0.02, seed=seed) for seed, change in enumerate([0.1, 0.12, 0.17])]
    found = realised(rows).set_index("contrast")
    own = found.loc["change"]
    expected = np.sqrt(0.02**2 + np.var([0.1, 0.12, 0.17], ddof=1) / 3)
    assert own["se"] == pytest.approx(expected, rel=1e-6)
    assert own["value"] == pytest.approx(0.13)
    assert found.loc["transfer", "reason"] == "1 train set where 2 are needed"
    assert np.isnan(found.loc["transfer", "smallest"])
    (single,) = realised([row(0.1, 0.02)]).query("contrast == 'change'").to_dict("records")
    assert single["smallest"] == pytest.approx(2.801585 * 0.02, rel=1e-5)


def test_without_intervals_there_is_no_power_and_a_reason() -> None:
    (found,) = (
        realised([row(0.1, np.nan), row(0.2, np.nan, seed=1)])
        .query("contrast == 'change'")
        .to_dict("records")
    )
    assert np.isnan(found["smallest"])
    assert found["reason"] == "intervals over items are unknown"


def test_a_mean_change_has_the_error_of_its_interval(simulated: pd.DataFrame) -> None:
    rows = list(changes(np.random.default_rng(7)))
    table = from_rows(rows, "changes")
    own = realised(rows).query("contrast == 'transfer'").iloc[0]
    interval = crossed_mean(Pairs.of(table, "change"), 0.95)
    half = (interval.high - interval.low) / 2
    # Power of 80 % needs from 1.06 / 4.3 (2 degrees of freedom) to .84 / 1.96 of it beyond.
    assert 1.24 * half < own["smallest"] < 1.43 * half
    assert own["value"] == pytest.approx(interval.value)
    assert (own["train_sets"], own["eval_sets"]) == (TRAIN_SETS, EVAL_SETS)
    assert simulated.query("contrast == 'transfer'")["reason"].eq("").all()


def test_the_base_scores_error_is_its_intervals() -> None:
    tables = published_tables()
    means, found = tables["seed_means"], tables["power"]
    base = found[found["contrast"] == "base"].iloc[0]
    same = means[
        (means["recipe"] == "base")
        & (means["checkpoint"] == base["checkpoint"])
        & (means["eval_set"] == base["eval_set"])
    ].iloc[0]
    assert base["se"] == pytest.approx((same["ci_high"] - same["ci_low"]) / 2 / Z, rel=1e-6)
    assert base["value"] == same["score"]
