"""Scores of answers; a metric that is none, or that gives no fraction, is refused."""

import json

import pytest
from planted import demo

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.grid.merged_config import cell_row
from tuning_dynamics.identity.code_digest import code_parts, spec_words
from tuning_dynamics.stats.metrics import (
    METRICS,
    accuracy,
    item_scores,
    longest_common_subsequence,
    places_of,
    rouge_l,
)


def common(first: str, second: str) -> int:
    """Length of the longest common subsequence of two words' letters."""
    return longest_common_subsequence(list(first), len(second), places_of(list(second)))


def test_accuracy_is_equality_with_a_right_answer() -> None:
    assert accuracy("yes", ["yes"]) == accuracy("yes", ["no", "yes"]) == 1.0
    assert accuracy("", ["yes"]) == 0.0


def test_rouge_l_takes_the_best_reference() -> None:
    assert rouge_l("the cat sat", ["a dog", "The cat sat."]) == 1.0
    assert rouge_l("the cat sat", ["the dog sat"]) == pytest.approx(2 / 3)
    assert rouge_l("", ["the dog"]) == rouge_l("the dog", ["…"]) == 0.0


def test_longest_common_subsequence_keeps_order_and_repeats() -> None:
    for one, other, length in (("abcbdab", "bdcaba", 4), ("aaa", "aa", 2), ("", "a", 0)):
        assert common(one, other) == common(other, one) == length


def test_each_item_is_scored_by_its_own_answers() -> None:
    golds = [["a b"], ["c"], ["d", "a"]]
    assert item_scores("accuracy", ["a b", "a", "a"], golds).tolist() == [1.0, 0.0, 1.0]
    assert item_scores("rouge_l", ["a", "c", "e"], golds).tolist() == [2 / 3, 1.0, 0.0]
    assert item_scores("accuracy", [], []).shape == (0,)


def test_a_metric_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(StudyError, match="there is no metric 'f1'") as error:
        item_scores("f1", ["a"], [["a"]])
    assert "accuracy, rouge_l" in str(error.value)


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_score_outside_0_to_1_is_refused(monkeypatch: pytest.MonkeyPatch, score: float) -> None:
    monkeypatch.setitem(METRICS, "odd", lambda prediction, _: score if prediction == "b" else 1.0)
    with pytest.raises(StudyError, match="1 scores outside") as error:
        item_scores("odd", ["a", "b"], [["x"], ["y"]])
    assert "['b', 'y']" in str(error.value)


def test_the_metrics_of_a_study_are_among_the_code_that_makes_its_scores() -> None:
    jobs = demo()
    used = json.loads(jobs.stats.metrics())
    assert used == ["accuracy", "rouge_l"]
    assert {cell_row(jobs.resolved, cell)["metric"] for cell in jobs.grid.cells} == set(used)
    counted = {
        part.name for part in code_parts("stats_scores.py", spec_words(jobs.stats.metrics()))
    }
    assert counted >= {f"METRICS[{name}]" for name in used} | set(used)
    assert not any("METRICS" in part.name for part in code_parts("evaluate_variant.py"))
