"""measures.csv: means over items of the options' measures, and macro-F1, with intervals."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score
from synthetic import DRAWING
from unit.stats.test_scores import cell

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.grid.evaluated_sets import EvaluatedSet
from tuning_dynamics.stats import macro_f1
from tuning_dynamics.stats.bootstrap import expanded
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.skewed_means import skewed_means

LABELS = ("yes", "no", "maybe")
SET = EvaluatedSet("nli_people", tuple((label,) for label in LABELS), "no such file")
ITEMS = 60


def answered(seed: int, items: int = ITEMS, contexts: int | None = None) -> pd.DataFrame:
    """Records of labels by scores that favour the right one; the right ones are those of all
    cells, and some labels have no answer."""
    gold = np.random.default_rng(99).choice(LABELS, items, p=(0.6, 0.3, 0.1))
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(items, 3)) - 2.0
    scores[np.arange(items), [LABELS.index(label) for label in gold]] += 0.7
    names = [f"item-{number:04d}" for number in range(items)]
    answers = [LABELS[place] for place in scores.argmax(axis=1)]
    answers[seed % items] = ""
    return pd.DataFrame(
        {
            "item": names,
            "context": names if contexts is None else [str(n % contexts) for n in range(items)],
            "prompt_digest": "0" * 16,
            "truncated": False,
            "prediction": answers,
            "gold": [[label] for label in gold],
            "option_scores": scores.tolist(),
        }
    )


def labelled(path: Path, records: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """A classification cell with these records."""
    key = cell(path, [0.0, 1.0], metric="accuracy", **changes)
    records.to_parquet(path, index=False)
    return key


def measures(cells: list[dict[str, Any]], about: EvaluatedSet = SET, **more: Any) -> pd.DataFrame:
    """measures.csv of cells of one set."""
    return cell_tables(cells, sets={about.name: about}, **{**DRAWING, **more})["measures"]


def value_of(table: pd.DataFrame, measure: str) -> pd.Series:
    (row,) = table[table["measure"] == measure].iloc
    return row


def test_each_measure_is_its_mean_over_items_with_scipy_s_interval(tmp_path: Path) -> None:
    records = answered(1)
    scores = np.array(records["option_scores"].tolist())
    right = [LABELS.index(gold) for (gold,) in records["gold"]]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wrong = np.where(np.arange(3) == np.array(right)[:, None], -np.inf, scores).max(axis=1)
    own = scores[np.arange(ITEMS), right]
    expected = {
        "margin": own - wrong,
        "nats": -own,
        "probability": shares[np.arange(ITEMS), right],
    }
    table = measures([labelled(tmp_path / "cell", records)])
    assert table["measure"].tolist() == ["macro_f1", *expected]
    for name, values in expected.items():
        row = value_of(table, name)
        assert row["n"] == ITEMS
        assert row["value"] == pytest.approx(values.mean(), rel=1e-12)
        assert row["se"] == pytest.approx(values.std(ddof=1) / np.sqrt(ITEMS), rel=1e-9)
        if name == "nats":
            continue
        ends = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=DRAWING["resamples"],
            confidence_level=expanded(DRAWING["level"], ITEMS),
            method="percentile",
            rng=np.random.default_rng(DRAWING["seed"]),
        ).confidence_interval
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(ends), rel=1e-9)


def test_a_loss_has_an_interval_that_allows_for_skew(tmp_path: Path) -> None:
    records = answered(1)
    scores = np.array(records["option_scores"].tolist())
    scores[:5] -= 20
    records["option_scores"] = scores.tolist()
    row = value_of(measures([labelled(tmp_path / "cell", records)]), "nats")
    assert row["ci_high"] - row["value"] > 1.3 * (row["value"] - row["ci_low"])
    found = skewed_means(np.array([[1.0], [2.0], [6.0]]), np.ones(3), 0.95)
    # By hand: mean 3, skewness .595, deviation sqrt(7), t of 2 degrees of freedom 4.303.
    skewness, deviation, reach = 6 / (14 / 3) ** 1.5, np.sqrt(7.0), stats.t.ppf(0.975, 2)
    for end, sign in ((found.low[0], 1), (found.high[0], -1)):
        moved = (3.0 - end) / deviation
        # Hall's transformation of the end is the quantile.
        transformed = moved + skewness * moved**2 / 3 + skewness**2 * moved**3 / 27 + skewness / 18
        assert transformed * np.sqrt(3) == pytest.approx(sign * reach)


def test_without_skew_the_interval_is_student_s() -> None:
    values = np.random.default_rng(0).normal(size=50)
    values = np.concatenate([values, -values])
    found = skewed_means(values[:, None], np.ones(100), 0.9)
    half = stats.t.ppf(0.95, 99) * values.std(ddof=1) / 10
    assert found.high[0] == pytest.approx(half, rel=1e-4)
    assert found.low[0] == pytest.approx(-half, rel=1e-4)


def test_items_of_one_context_are_one_value_of_a_loss() -> None:
    own = np.random.default_rng(0).exponential(size=(30, 1))
    alone = skewed_means(own, np.ones(30), 0.95)
    together = skewed_means(own * 4, np.full(30, 4.0), 0.95)
    for name in ("value", "se", "low", "high"):
        assert getattr(together, name) == pytest.approx(getattr(alone, name), rel=1e-12)


def test_macro_f1_is_scikit_learn_s_over_the_labels_that_are_right_answers(tmp_path: Path) -> None:
    cells = [labelled(tmp_path / f"{seed}", answered(seed), format=f"f{seed}") for seed in range(6)]
    found = measures(cells).query("measure == 'macro_f1'")["value"].tolist()
    for seed, value in enumerate(found):
        records = answered(seed)
        gold = [answer for (answer,) in records["gold"]]
        theirs = f1_score(
            gold, records["prediction"], labels=LABELS, average="macro", zero_division=0.0
        )
        assert value == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("contexts", [None, 25])
@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_interval_of_macro_f1_is_that_of_resampled_items(
    tmp_path: Path, interval: str, contexts: int | None
) -> None:
    records = answered(3, contexts=contexts)
    row = value_of(measures([labelled(tmp_path / "cell", records)], interval=interval), "macro_f1")
    gold = np.array([answer for (answer,) in records["gold"]])
    answers = records["prediction"].to_numpy()
    units = pd.factorize(records["context"])[0]

    def of_units(drawn: Any) -> float:
        items = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        return float(
            f1_score(gold[items], answers[items], labels=LABELS, average="macro", zero_division=0.0)
        )

    ends = stats.bootstrap(
        (np.arange(units.max() + 1),),
        of_units,
        vectorized=False,
        n_resamples=DRAWING["resamples"],
        confidence_level=expanded(DRAWING["level"], len(units) if contexts is None else contexts),
        method={"percentile": "percentile", "bca": "BCa"}[interval],
        rng=np.random.default_rng(DRAWING["seed"]),
    )
    found = (row["ci_low"], row["ci_high"])
    assert found == pytest.approx(tuple(ends.confidence_interval), abs=1e-9)
    assert row["se"] == pytest.approx(ends.standard_error, rel=1e-9)


def test_macro_f1_does_not_depend_on_how_many_cells_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [labelled(tmp_path / f"{s}", answered(s), format=f"f{s}") for s in range(5)]
    whole = measures(cells)
    monkeypatch.setattr(macro_f1, "BLOCK_NUMBERS", 2 * DRAWING["resamples"] * 7)
    pd.testing.assert_frame_equal(measures(cells), whole)


def test_a_measure_without_spread_has_no_interval(tmp_path: Path) -> None:
    records = answered(1)
    records["prediction"] = [gold[0] for gold in records["gold"]]
    row = value_of(measures([labelled(tmp_path / "cell", records)]), "macro_f1")
    assert row["value"] == 1.0
    assert row[["se", "ci_low", "ci_high"]].isna().all()


def test_cells_that_generate_have_no_measures_of_options(tmp_path: Path) -> None:
    records = answered(2).assign(option_scores=[[] for _ in range(ITEMS)])
    free = measures([labelled(tmp_path / "free", records, prediction="free")])
    assert free["measure"].tolist() == ["macro_f1"]
    texts = labelled(tmp_path / "text", records, prediction="greedy", kind="generation")
    assert measures([texts]).empty


def test_without_knowledge_of_the_set_there_are_no_measures_of_options(tmp_path: Path) -> None:
    cells = [labelled(tmp_path / "cell", answered(2))]
    assert cell_tables(cells, **DRAWING)["measures"]["measure"].tolist() == ["macro_f1"]


def test_scores_of_a_wrong_type_are_refused_where_they_are_read(tmp_path: Path) -> None:
    records = answered(2).assign(option_scores=[["-1", "-2", "-3"] for _ in range(ITEMS)])
    cells = [labelled(tmp_path / "cell", records)]
    assert len(cell_tables(cells, **DRAWING)["scores"]) == 1
    with pytest.raises(StudyError, match="wrong type: option_scores"):
        measures(cells)


def tuned(path: Path, records: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """A tuned cell of a classification set with these records."""
    key = {"recipe": "full", "train_set": "nli_people", "seed": 0, "role": "id", "shots": 0}
    return labelled(path, records, **{**key, **changes})


def right_share(records: pd.DataFrame) -> Any:
    """Probability of the right label of each item."""
    shares = np.exp(np.array(records["option_scores"].tolist()))
    right = [LABELS.index(gold) for (gold,) in records["gold"]]
    return shares[np.arange(len(right)), right] / shares.sum(axis=1)


def test_the_change_of_a_measure_is_paired_over_items(tmp_path: Path) -> None:
    before, after = answered(1), answered(2)
    cells = [labelled(tmp_path / "base", before), tuned(tmp_path / "tuned", after)]
    table = measures(cells)
    change = ["base_value", "change", "change_low", "change_high"]
    assert table.loc[table["recipe"] == "base", change].isna().all(axis=None)
    own = table[table["recipe"] == "full"]
    assert value_of(own, "macro_f1")[change].isna().all()
    for name in ("probability", "margin", "nats"):
        row, base = value_of(own, name), value_of(table[table["recipe"] == "base"], name)
        assert row["base_value"] == pytest.approx(base["value"], rel=1e-12)
        assert row["change"] == pytest.approx(row["value"] - base["value"], abs=1e-12)
        assert row["change_low"] < row["change"] < row["change_high"]
    row = value_of(own, "probability")
    ends = stats.bootstrap(
        (right_share(after) - right_share(before),),
        np.mean,
        n_resamples=DRAWING["resamples"],
        confidence_level=expanded(DRAWING["level"], ITEMS),
        method="percentile",
        rng=np.random.default_rng(DRAWING["seed"]),
    ).confidence_interval
    assert (row["change_low"], row["change_high"]) == pytest.approx(tuple(ends), abs=1e-12)


def test_the_base_of_a_measure_is_the_mean_over_its_draws(tmp_path: Path) -> None:
    draws = [labelled(tmp_path / f"{d}", answered(d), draw=d) for d in range(3)]
    cells = [*draws, tuned(tmp_path / "tuned", answered(7))]
    table = measures(cells)
    row = value_of(table[table["recipe"] == "full"], "probability")
    base = np.mean([right_share(answered(d)).mean() for d in range(3)])
    assert row["base_value"] == pytest.approx(base, rel=1e-12)
    one = measures([draws[0], cells[-1]])
    alone = value_of(one[one["recipe"] == "full"], "probability")
    # Other demonstrations would give another base.
    assert row["change_high"] - row["change_low"] != alone["change_high"] - alone["change_low"]


def test_a_measure_that_no_item_changes_has_a_change_without_an_interval(tmp_path: Path) -> None:
    records = answered(1)
    cells = [labelled(tmp_path / "base", records), tuned(tmp_path / "tuned", records)]
    table = measures(cells)
    row = value_of(table[table["recipe"] == "full"], "probability")
    assert row["change"] == 0.0
    assert row[["change_low", "change_high"]].isna().all()


def test_a_tuned_cell_without_a_base_has_a_measure_and_no_change(tmp_path: Path) -> None:
    row = value_of(measures([tuned(tmp_path / "tuned", answered(1))]), "probability")
    assert row["value"] > 0
    assert row[["base_value", "change", "change_low", "change_high"]].isna().all()


def test_seed_means_have_the_mean_probability_over_seeds(tmp_path: Path) -> None:
    cells = [labelled(tmp_path / "base", answered(0))]
    cells += [tuned(tmp_path / f"{s}", answered(s), seed=s) for s in (1, 2, 3)]
    # Generated labels have no scores of options.
    free = answered(4).assign(option_scores=[[] for _ in range(ITEMS)])
    cells.append(labelled(tmp_path / "free", free, prediction="free"))
    made = cell_tables(cells, sets={SET.name: SET}, **DRAWING)
    means = made["seed_means"].set_index(["recipe", "prediction"])
    columns = ["probability", "probability_low", "probability_high"]
    of_seeds, base = means.loc[("full", "token_prob")], means.loc[("base", "token_prob")]
    expected = np.mean([right_share(answered(s)).mean() for s in (1, 2, 3)])
    assert of_seeds["probability"] == pytest.approx(expected, rel=1e-12)
    assert of_seeds["probability_low"] < expected < of_seeds["probability_high"]
    assert means.loc[("base", "free"), columns].isna().all()
    row = value_of(made["measures"].query("recipe == 'base'"), "probability")
    assert base[columns].tolist() == row[["value", "ci_low", "ci_high"]].tolist()
    unknown = cell_tables(cells, **DRAWING)["seed_means"]
    assert unknown[columns].isna().all(axis=None)
