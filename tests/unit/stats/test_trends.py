"""Latent gain, format trend, forgetting and weak denominators: planted slopes, floors, marks."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.compared_changes import compared_changes
from tuning_dynamics.stats.crossed import Pairs, crossed_mean
from tuning_dynamics.stats.denominators import denominator_rows, weak_bases, weak_denominators
from tuning_dynamics.stats.groups import grouped_changes
from tuning_dynamics.stats.noise import noise_rows
from tuning_dynamics.stats.summaries.forgetting import forgetting_rows
from tuning_dynamics.stats.trends import format_trend_rows, latent_gain_rows
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

LEVEL = 0.95
HALF = float(stats.norm.ppf(0.975))
STEPS = (10, 100, 1000, 10_000)


def row(table: str, step: int, **more: Any) -> dict[str, Any]:
    kinds = columns_of(table)
    known = {
        **{"family": "toy", "checkpoint": str(step), "step": step, "tokens": step * 1000},
        **{"recipe": "full", "train_set": "t", "eval_set": "a", "task": "nli"},
        **{"kind": "classification", "role": "id", "format": "default", "shots": 0, "draw": 0},
        **{"prediction": "token_prob", "metric": "accuracy", "seed": 1, "seeds": 1, "n": 100},
    }
    empty = {name: "" if kind == "str" else None for name, kind in kinds.items()}
    return {name: {**empty, **known, **more}[name] for name in kinds}


def means(*series: tuple[str, Any, float], **more: Any) -> pd.DataFrame:
    """seed_means of (evaluation set, changes by step, standard error of each change)."""
    rows = [
        row(
            "seed_means",
            step,
            eval_set=name,
            score=0.5,
            change=change,
            change_low=change - HALF * error,
            change_high=change + HALF * error,
            **more,
        )
        for name, changes, error in series
        for step, change in zip(STEPS, changes, strict=False)
    ]
    return from_rows(rows, "seed_means")


def groups(**names: str) -> pd.DataFrame:
    rows = [
        {"family": "toy", "eval_set": name, "compared_group": group}
        for name, group in names.items()
    ]
    return pd.DataFrame(rows)


def noise(difference: float, *sets: str) -> pd.DataFrame:
    """noise.csv where two seeds differ by this much on these sets."""
    rows = [
        row("scores", 10, eval_set=name, seed=seed, score=0.2 + seed * difference)
        for name in sets
        for seed in (0, 1)
    ]
    return noise_rows(from_rows(rows, "scores"))


def latent(table: pd.DataFrame, found: pd.DataFrame, floor: pd.DataFrame) -> pd.DataFrame:
    """latent_gain.csv of changes of all items, as where groups are declared."""
    tables = {"seed_means": table, "halves": from_rows([], "halves")}
    changes = compared_changes(tables, LEVEL, declared=True)
    cells = grouped_changes(changes, found, recipes=["full"])
    return latent_gain_rows(cells, table, floor, level=LEVEL, recipe="full")


def test_latent_gain_is_the_slope_of_the_change_per_tenfold_tokens() -> None:
    made = means(("a", [0.1, 0.15, 0.2, 0.25], 0.02), ("b", [0.1, 0.1, 0.1, 0.1], 0.02))
    table = latent(made, groups(a="not_learned", b="learned"), noise(0.03, "a"))
    rows = table.set_index(["group", "eval_set"])
    one = rows.loc[("not_learned", "a")]
    assert one["slope"] == pytest.approx(0.05)
    assert (one["first_change"], one["last_change"]) == pytest.approx((0.1, 0.25))
    # Of points at -1.5, -.5, .5, 1.5 about their middle, each with an error of .02.
    assert one["high"] - one["slope"] == pytest.approx(HALF * 0.02 / np.sqrt(5))
    # Scores that differ by .03 differ in their slope by .03 / sqrt(2 * 5).
    assert (one["floor"], one["under_floor"]) == (pytest.approx(0.03 / np.sqrt(10)), "")
    assert rows.loc[("learned", "b"), "under_floor"] == "unknown"
    pooled = rows.loc[("not_learned", "all")]
    assert (pooled["train_set"], pooled["slope"]) == ("", pytest.approx(0.05))
    assert np.isnan(pooled["low"])
    assert pooled["checkpoints"] == 4
    assert set(latent(made, groups(a="learned", b="learned"), noise(0.2, "a"))["under_floor"]) == {
        "yes",
        "unknown",
    }


def test_the_pooled_slope_has_an_interval_over_train_sets_and_evaluation_sets() -> None:
    found = groups(**{f"s{k}": "other" for k in range(6)})

    def made(train_set: str, more: float) -> pd.DataFrame:
        slopes = {f"s{k}": 0.01 * k + more for k in range(6)}
        sets = [(name, [0.1 + own * at for at in range(4)], 0.01) for name, own in slopes.items()]
        return means(*sets, train_set=train_set)

    alone = latent(made("t", 0.0), found, noise(0.0)).iloc[-1]
    assert alone["slope"] == pytest.approx(0.025)
    assert np.isnan([alone["low"], alone["high"]]).all()
    table = latent(pd.concat([made("t", 0.0), made("u", 0.02)]), found, noise(0.0))
    pooled, pairs = table.iloc[-1], table.iloc[:-1]
    assert len(pairs) == 12
    assert pooled["slope"] == pytest.approx(0.035)
    assert pooled["low"] < 0.025 < 0.045 < pooled["high"]
    expected = crossed_mean(Pairs.of(pairs, "slope"), LEVEL)
    assert (pooled["low"], pooled["high"]) == (expected.low, expected.high)
    assert pooled["under_floor"] == "unknown"


def test_two_checkpoints_have_no_slope_and_unknown_errors_need_four() -> None:
    found = groups(a="learned")
    two = latent(means(("a", [0.1, 0.2], 0.01)), found, noise(0.1, "a")).iloc[0]
    assert np.isnan(two["slope"])
    assert two["under_floor"] == ""
    three = latent(means(("a", [0.1, 0.2, 0.4], np.nan)), found, noise(0.1, "a")).iloc[0]
    assert three["slope"] == pytest.approx(0.15)
    assert np.isnan(three["low"])
    y = [0.1, 0.2, 0.4, 0.3]
    four = latent(means(("a", y, np.nan)), found, noise(0.1, "a")).iloc[0]
    fit = stats.linregress(range(4), y)
    half = stats.t.ppf(0.975, 2) * fit.stderr
    assert (four["low"], four["high"]) == pytest.approx((fit.slope - half, fit.slope + half))


def test_the_ends_of_the_mean_are_of_the_pairs_that_have_every_checkpoint() -> None:
    early = ("early", [0.9, 0.9, 0.9], 0.01)
    later = pd.concat([means(("later", [0.8] * 4, 0.01)).iloc[1:], means(early)])
    made = pd.concat([means(("a", [0.1, 0.2, 0.3, 0.4], 0.01)), later])
    known = groups(a="learned", early="learned", later="learned")
    pooled = latent(made, known, noise(0.1, "a")).iloc[-1]
    assert pooled["checkpoints"] == 4
    assert (pooled["first_change"], pooled["last_change"]) == pytest.approx((0.1, 0.4))
    assert pooled["slope"] == pytest.approx(0.1 / 3)
    none = latent(later, known, noise(0.1, "a")).iloc[-1]
    assert np.isnan([none["first_change"], none["last_change"]]).all()
    assert none["slope"] == pytest.approx(0)


def test_labels_at_one_number_of_tokens_have_no_slope() -> None:
    made = means(("a", [0.1, 0.2, 0.3], 0.01)).assign(step=10, tokens=10_000)
    found = latent(made, groups(a="learned"), noise(0.1, "a"))
    assert found["checkpoints"].tolist() == [3, 3]
    assert found["slope"].isna().all()
    assert found["low"].isna().all()


SPREADS = (0.5, 0.38, 0.32, 0.2)


def format_trend(known: bool) -> pd.DataFrame:
    """format_trend.csv of spreads that fall, of two seeds; by chance they are .1, if `known`."""
    rows = [
        row(
            "sensitivity",
            step,
            seed=seed,
            spread=spread + shift,
            beyond_chance=spread + shift - 0.1 if known else np.nan,
        )
        for seed, shift in ((0, 0.02), (1, -0.02))
        for step, spread in zip(STEPS, SPREADS, strict=True)
    ]
    base = {"recipe": "base", "train_set": "", "seed": None}
    rows.append(row("sensitivity", 10, **base, spread=0.9, beyond_chance=0.8))
    scores = from_rows([row("scores", step, score=0.5) for step in STEPS], "scores")
    table = from_rows(rows, "sensitivity")
    return format_trend_rows(table, scores, noise(0.5, "a"), level=LEVEL, recipe="full")


@pytest.mark.parametrize(("known", "first", "last"), [(True, 0.4, 0.1), (False, 0.5, 0.2)])
def test_the_format_trend_is_the_slope_of_the_spread_seeds_averaged(
    known: bool, first: float, last: float
) -> None:
    """Of the spread beyond chance; where that is unknown, of the spread."""
    table = format_trend(known)
    assert table["eval_set"].tolist() == ["a", "all"]
    one = table.iloc[0]
    assert (one["first_spread"], one["last_spread"]) == pytest.approx((first, last))
    fit = stats.linregress(range(4), SPREADS)
    half = stats.t.ppf(0.975, 2) * fit.stderr
    assert (one["slope"], one["checkpoints"]) == (pytest.approx(fit.slope), 4)
    assert (one["low"], one["high"]) == pytest.approx((fit.slope - half, fit.slope + half))
    assert table["floor"].tolist() == pytest.approx([0.5 / np.sqrt(10)] * 2)
    assert table["under_floor"].tolist() == ["yes", "yes"]


def test_forgetting_is_the_mean_change_by_task_tuned_on_and_task_evaluated() -> None:
    summaries = {"task": "summary", "kind": "generation", "prediction": "greedy"}
    made = pd.concat(
        [
            means(("a", [0.2, 0.4], 0.03), ("b", [0.1, 0.1], 0.04)),
            means(("c", [-0.2, -0.3], np.nan), **summaries, role="cross"),
        ]
    )
    table = forgetting_rows(
        made, {"t": "nli"}, noise(0.5, "a", "b"), level=0.95, recipe="full"
    ).set_index(["eval_task", "checkpoint"])
    one = table.loc[("nli", "10")]
    assert (one["train_task"], one["change"], one["cells"]) == ("nli", pytest.approx(0.15), 2)
    # Errors of .03 and .04 on different items.
    assert one["high"] - one["change"] == pytest.approx(HALF * 0.05 / 2)
    assert one["under_floor"] == "yes"
    # The same items at both checkpoints: no narrower.
    pooled = table.loc[("nli", "all")]
    assert pooled["change"] == pytest.approx(0.2)
    assert pooled["high"] - pooled["change"] == pytest.approx(HALF * 0.05 / 2)
    other = table.loc[("summary", "all")]
    assert (other["change"], other["under_floor"]) == (pytest.approx(-0.25), "unknown")
    assert np.isnan(other["low"])


def test_denominators_are_flagged_at_zero_near_zero_and_at_chance() -> None:
    base = {"recipe": "base", "train_set": "", "seeds": None, "role": "", "shots": 4}
    cells = {"zero": (0.0, 0.0), "near": (0.019, 0.01), "chance": (0.4, 0.33), "sound": (0.4, 0.34)}
    rows = [
        row("seed_means", 10, eval_set=name, score=score, ci_low=low, **base)
        for name, (score, low) in cells.items()
    ]
    rows.append(row("seed_means", 10, eval_set="chance", score=0.1, **base) | {"format": "io"})
    rows.append(row("seed_means", 10, eval_set="unknown", score=0.3, **base))
    rows.append(row("seed_means", 10, eval_set="free", score=0.3, ci_low=0.01, **base))
    scores = from_rows(rows, "seed_means")
    table = denominator_rows(scores, dict.fromkeys([*cells, "unknown"], 1 / 3))
    assert dict(zip(table["eval_set"], table["flag"], strict=True)) == {
        "zero": "zero",
        "near": "near_zero",
        "chance": "at_chance",
        "sound": "",
        "unknown": "at_chance",
        "free": "",
    }
    changes = pd.concat([scores.iloc[:4]] * 2)
    weak = weak_bases(changes, table)
    assert (weak.cells, weak.zero, weak.near_zero, weak.at_chance) == (8, 2, 2, 2)
    once = weak_denominators(changes, table)
    assert (once.cells, once.zero, once.near_zero, once.at_chance) == (4, 1, 1, 1)
    # In another format, a change may be over a base score that has no flag.
    assert weak_denominators(changes.assign(format="io"), table).cells == 0
    alike = pd.concat([changes, changes.assign(format="io", eval_set="elsewhere")])
    assert weak_denominators(alike, table) == once
    with pytest.raises(StudyError, match="over a base score that"):
        weak_denominators(changes.assign(eval_set="elsewhere"), table)
