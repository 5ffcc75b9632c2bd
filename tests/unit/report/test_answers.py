"""What the page says first: scores before and after tuning, as the tables and figures have them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_tables import Made, made_tables
from pages import FINDINGS
from unit.stats.test_noise import BASE, KEY
from unit.stats.test_noise import scores as score_table

from tuning_dynamics.report.answers import (
    LOWERED,
    OPEN,
    RAISED,
    UNKNOWN,
    Answer,
    TrainSetAnswers,
    answers,
    overview,
    verdict,
)
from tuning_dynamics.report.figures.view import View
from tuning_dynamics.report.page import lacking
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

Tables = dict[str, pd.DataFrame]

LOST: dict[str, Any] = {"seed": 2, "degenerate": "yes", "commonest": 0.64}

#: What findings.csv holds of the paper's findings, and of a check.
VERDICTS = pd.DataFrame(
    {
        "family": "toy",
        "number": [1, 2, 3, 4, None],
        "verdict": ["supported", "contradicted", "cannot tell", "supported", "contradicted"],
    }
)


@pytest.fixture(scope="module")
def tables() -> Tables:
    own = made_tables(Made())
    empty = {name: from_rows([], name) for name in ("noise", "changes")}
    return {**own, "scores": score_table({}), **empty}


def rows_of(found: list[TrainSetAnswers], train_set: str) -> dict[str, Answer]:
    (group,) = [one for one in found if one.train_set == train_set]
    return {answer.eval_set: answer for answer in group.answers}


def test_each_train_set_is_answered_at_the_last_checkpoint_own_task_first(tables: Tables) -> None:
    found = answers(tables, "full", 0.95)
    assert [group.train_set for group in found] == ["facts_people", "nli_people", "summary_people"]
    assert {group.checkpoint for group in found} == {"3000"}
    for group in found:
        assert [answer.role for answer in group.answers][:2] == ["id", "ood"]
        assert group.answers[0].eval_set == group.train_set


def test_the_numbers_are_those_of_the_tables_and_of_the_figures(tables: Tables) -> None:
    found = rows_of(answers(tables, "full", 0.95), "nli_people")
    view = View("toy", tables, 0.95, "full")
    drawn = view.main()
    drawn = drawn[(drawn["train_set"] == "nli_people") & (drawn["checkpoint"] == "3000")]
    assert set(drawn["eval_set"]) == set(found)
    base = view.base[view.base["checkpoint"] == "3000"].set_index("eval_set")
    for _, row in drawn.iterrows():
        answer = found[row["eval_set"]]
        assert (answer.after, answer.change) == (row["value"], row["change"])
        assert (answer.low, answer.high) == (row["change_low"], row["change_high"])
        assert answer.before == pytest.approx(base["value"][row["eval_set"]])
        assert (answer.before_shots, answer.after_shots) == (4, 0)
        accuracy = row["metric"] == "accuracy"
        assert answer.metric == ("accuracy" if accuracy else "ROUGE-L")
        assert math.isnan(answer.chance) is not accuracy
        assert math.isnan(answer.majority) is (row["task"] != "nli")


@pytest.mark.parametrize(
    ("low", "high", "quiet", "expected"),
    [
        (0.1, 0.2, False, RAISED),
        (-0.2, -0.1, False, LOWERED),
        (-0.1, 0.2, False, OPEN),
        (0.0, 0.2, False, OPEN),
        (-0.2, 0.0, False, OPEN),
        (0.1, 0.2, True, OPEN),
        (math.nan, math.nan, False, UNKNOWN),
    ],
)
def test_a_verdict_follows_from_interval_and_floor(
    low: float, high: float, expected: str, *, quiet: bool
) -> None:
    assert verdict(low, high, quiet=quiet) == expected


def with_change(tables: Tables, low: float, change: float, high: float) -> Tables:
    means = tables["seed_means"]
    tuned = means["recipe"] != "base"
    ends = {"change": change, "change_low": low, "change_high": high}
    changed = means.assign(**{name: means[name].mask(tuned, end) for name, end in ends.items()})
    return {**tables, "seed_means": changed}


def noise(eval_set: str, difference: float) -> pd.DataFrame:
    row: dict[str, Any] = {
        **{"kind": "seeds", "family": "toy", "checkpoint": "all", "step": None, "other": ""},
        **{"recipe": "full", "train_set": "", "seed": None, "eval_set": eval_set},
        **{
            "format": "default",
            "shots": None,
            "prediction": "",
            "metric": "accuracy",
            "n": 2,
            "pairs": 1,
            "sd": 0.1,
        },
        **{"range": difference, "difference": difference},
    }
    return from_rows([row], "noise")


def test_a_change_under_the_floor_of_its_set_is_no_difference(tables: Tables) -> None:
    clear = with_change(tables, 0.04, 0.05, 0.06)
    clear = {**clear, "noise": noise("nli_people", 0.2)}
    found = rows_of(answers(clear, "full", 0.95), "nli_people")
    assert found["nli_people"].verdict == OPEN
    assert found["nli_people"].note.startswith("the change is under the noise floor")
    assert found["nli_places"].verdict == RAISED
    assert [found[name].floor_known for name in ("nli_people", "nli_places")] == [True, False]
    assert "noise" not in found["nli_places"].note


def test_the_own_set_is_told_in_full_and_the_others_are_counted(tables: Tables) -> None:
    lower = with_change(tables, -0.3, -0.2, -0.1)
    (group,) = [one for one in answers(lower, "full", 0.95) if one.train_set == "nli_people"]
    own, others, on_text = group.sentences
    answer = group.answers[0]
    assert own.startswith(
        f"On its own set, accuracy went from {answer.before:.3f} (base, 4 demonstrations) to "
        f"{answer.after:.3f} (tuned, no demonstrations): lowered (change "
    )
    assert "95 % interval" in own
    assert "Guessing would score 0.333, always giving the commonest label 0.420." in own
    assert others == "Of 5 other sets: 5 lowered."
    assert on_text.startswith("The loss on the fixed text went from ")


def test_the_loss_on_the_fixed_text_is_told_with_its_seeds_if_it_is_known(tables: Tables) -> None:
    row = {
        **{"family": "toy", "checkpoint": "3000", "step": 3000, "tokens": 9, "recipe": "full"},
        **{"train_set": "nli_people", "seed": 0, "base_loss": 3.0, "tuned_loss": 3.25},
        "change": 0.25,
    }
    other = {**row, "seed": 1, "tuned_loss": 3.75, "change": 0.75}

    def told(*rows: dict[str, Any]) -> list[str]:
        losses = from_rows([*rows], "text_losses")
        found = answers({**tables, "text_losses": losses}, "full", 0.95)
        return [group.on_text for group in found]

    words = "The loss on the fixed text went from 3.000 (base) to"
    assert told() == ["", "", ""]
    assert told(row)[1] == (f"{words} 3.250 nats per token (change +0.250; one text, no interval).")
    assert told(row, other)[1] == (
        f"{words} 3.500 nats per token (change +0.500, mean of 2 seeds, +0.250 to +0.750; "
        "one text, no interval)."
    )
    elsewhere = ({**row, "recipe": "lora"}, {**row, "checkpoint": "0"}, {**row, "family": "x"})
    assert told(*elsewhere) == ["", "", ""]


def test_a_set_of_the_same_domain_is_named_and_one_without_interval_too(tables: Tables) -> None:
    (group, *_) = answers(with_change(tables, np.nan, 0.2, np.nan), "full", 0.95)
    other = [*group.answers]
    other[0] = Answer(**{**vars(other[0]), "eval_set": "facts_cities"})
    told = TrainSetAnswers(**{**vars(group), "answers": other}).sentences
    assert told[0].startswith("On facts_cities, of its own task and domain, accuracy went from")
    assert "no interval (change +0.200, no interval)" in told[0]
    assert told[1] == "Of 5 other sets: 5 without an interval."


def test_a_tuned_model_that_does_not_beat_its_baseline_is_said_to(tables: Tables) -> None:
    means = tables["seed_means"]
    low = {**tables, "seed_means": means.assign(ci_low=0.40)}
    found = rows_of(answers(low, "full", 0.95), "nli_people")
    assert found["nli_people"].note == (
        "the tuned score is not shown to be above that of the commonest label"
    )
    assert found["facts_people"].note == ""  # chance is 1/3, and no majority is known
    lower = {**tables, "seed_means": means.assign(ci_low=0.30)}
    found = rows_of(answers(lower, "full", 0.95), "nli_people")
    assert found["facts_people"].note == "the tuned score is not shown to be above that of guessing"
    assert found["summary_people"].note == ""


def test_degenerate_models_are_said_to_be(tables: Tables) -> None:
    here = {"checkpoint": "3000", "step": 3000, "degenerate": ""}
    cells = score_table(
        {**here, "seed": 1}, {**here, **LOST}, {**here, **BASE, **LOST, "commonest": 0.96}
    )
    found = rows_of(answers({**tables, "scores": cells}, "full", 0.95), "nli_people")
    assert found["nli_people"].note.endswith(
        "base gives one answer to 96 % of the items; the tuned model gives one answer to 64 % of "
        "the items at 1 of 2 seeds"
    )
    assert "one answer" not in found["nli_places"].note
    assert KEY["train_set"] == "nli_people"


def test_one_sentence_sums_up_all_train_sets(tables: Tables) -> None:
    found = answers(with_change(tables, 0.01, 0.2, 0.3), "full", 0.95)
    (sentence,) = overview(found, VERDICTS)
    assert sentence.startswith(
        "Of the findings of Amuro & Char, 1 and 4 are supported here; 2 is contradicted; 3 is left"
    )
    sentence = sentence.partition(" open. ")[2]
    assert sentence == (
        "At checkpoint 3000, tuning toy by full on 3 sets raised 3 of 3 scores on a set's own task "
        "and domain (+0.200); it raised 3 of 3 scores on its task in other domains (+0.200); it "
        "raised 12 of 12 scores on other tasks (+0.200). For none of all 18 scores, no difference "
        "is shown."
    )
    means = with_change(tables, 0.01, 0.2, 0.3)["seed_means"]
    own = means["train_set"] == means["eval_set"]
    one = own & (means["train_set"] == "nli_people")
    ends = ["change_low", "change", "change_high"]
    means.loc[one, ends] = [-0.3, -0.25, -0.2]
    means.loc[means["role"] == "ood", ends] = [-0.1, 0.1, 0.2]
    means.loc[(means["role"] == "ood") & (means["train_set"] == "nli_people"), "change_low"] = None
    (sentence,) = overview(answers({**tables, "seed_means": means}, "full", 0.95), VERDICTS)
    minus = "\N{MINUS SIGN}"
    assert (
        f"raised 2 of 3 scores on a set's own task and domain (+0.200) and lowered 1 ({minus}0.250)"
        in (sentence)
    )
    assert "it is not shown to have changed any of 3 scores on its task in other" in sentence
    assert sentence.endswith("For 3 of all 18 scores, no difference is shown.")


def test_a_verdict_on_a_change_and_one_on_a_score_do_not_contradict(tables: Tables) -> None:
    means = with_change(tables, 0.01, 0.2, 0.3)["seed_means"].assign(ci_low=0.1)
    answer = rows_of(answers({**tables, "seed_means": means}, "full", 0.95), "nli_people")[
        "nli_people"
    ]
    assert answer.verdict == RAISED
    assert answer.note == "the tuned score is not shown to be above that of the commonest label"


def test_an_interval_that_few_seeds_make_wide_is_explained(tables: Tables) -> None:
    means = with_change(tables, -1.0, 0.1, 1.0)["seed_means"]
    tuned = means[means["change"].notna()]
    single = tuned.assign(seed=1, draw=0, change_low=0.0, change_high=0.2).to_dict("records")
    changes = from_rows([dict.fromkeys(columns_of("changes")) | row for row in single], "changes")

    def note(changes: pd.DataFrame, means: pd.DataFrame) -> str:
        own = {**tables, "changes": changes, "seed_means": means}
        answer = rows_of(answers(own, "full", 0.95), "summary_people")["summary_people"]
        assert answer.seeds == means["seeds"].max()
        return answer.note

    words = "the interval is wide, as 2 seeds that differ say little of others"
    assert note(changes, means) == words
    # As wide as that of one seed; with one seed; and where that of one seed is not known.
    assert note(changes.assign(change_low=-1.0, change_high=1.0), means) == ""
    assert note(changes.assign(change_low=-0.1), means.assign(seeds=1)) == ""
    assert note(changes.assign(change_low=np.nan), means) == ""


def test_a_study_that_compares_nothing_has_no_answers(tables: Tables) -> None:
    means = tables["seed_means"]
    assert answers({**tables, "seed_means": means[means["recipe"] == "base"]}, "full", 0.95) == []
    assert overview([], VERDICTS) == []


def test_findings_without_data_are_those_without_cells_or_interval() -> None:
    assert [
        lacking(from_rows([row | {"family": "f"}], "findings").to_dict("records")[0])
        for row in FINDINGS
    ] == [False, False, True, True]
    open_one = {**FINDINGS[2], "low": -0.1, "high": 0.2}
    assert not lacking(open_one)
    assert lacking({**open_one, "cells": 0})
    assert not lacking({**FINDINGS[3], "verdict": "contradicted"})
