"""The realised power of a study, and that it is the planned one where the assumptions hold."""

import numpy as np
import pandas as pd
import pytest
from assumed_changes import ASSUMED, ITEMS, SEEDS, Z, realised, row, studies
from synthetic import published_tables

from tuning_dynamics.common.power import Crossed
from tuning_dynamics.stats.power import crossed_of


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


def test_a_full_grids_components_are_those_of_the_two_way_analysis_of_variance() -> None:
    numbers = np.random.default_rng(3)
    values = numbers.normal(size=(3, 5)) + numbers.normal(size=(3, 1)) + numbers.normal(size=5)
    places = [(f"t{one}", f"e{other}") for one in range(3) for other in range(5)]
    pairs = pd.DataFrame(places, columns=["train_set", "eval_set"]).assign(change=values.ravel())
    found = crossed_of(pairs)
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    rest = values - rows[:, None] - columns[None, :] + values.mean()
    expected = Crossed(
        3, 5, rows.var(ddof=1) / 3, columns.var(ddof=1) / 5, (rest**2).sum() / 8 / 15
    )
    for name in ("train_sets", "eval_sets", "trains", "evals", "left"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name


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
