import pytest

from tuning_dynamics.evaluate.metrics import (
    accuracy,
    longest_common_subsequence,
    match_label,
    refuse_alike,
    rouge_l,
)
from tuning_dynamics.study.errors import StudyError


def test_accuracy_is_equality_with_a_right_answer():
    assert accuracy("yes", ["yes"]) == 1.0
    assert accuracy("", ["yes"]) == 0.0


def test_rouge_l_takes_the_best_reference():
    assert rouge_l("the cat sat", ["a dog", "The cat sat."]) == 1.0
    assert rouge_l("the cat sat", ["the dog sat"]) == pytest.approx(2 / 3)
    assert rouge_l("", ["the dog"]) == rouge_l("the dog", ["…"]) == 0.0


def test_longest_common_subsequence_keeps_order_and_repeats():
    assert longest_common_subsequence(list("abcbdab"), list("bdcaba")) == 4
    assert longest_common_subsequence(list("aaa"), list("aa")) == 2
    assert longest_common_subsequence([], list("a")) == 0


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        (" Yes, they are.", "yes"),
        ("YES", "yes"),
        ("no", "no"),
        ("north", ""),
        ("I say yes", ""),
        ("", ""),
        ("not-entailment!", "not_entailment"),
    ],
)
def test_a_label_is_the_beginning_of_an_answer(answer, label):
    assert match_label(answer, ("yes", "no", "not", "not_entailment")) == label


def test_labels_alike_up_to_case_are_refused():
    with pytest.raises(StudyError, match="same text up to case"):
        refuse_alike(("Yes", "no", "yes!"), "tiny")
    with pytest.raises(StudyError, match="same text"):
        refuse_alike(("yes", "?"), "tiny")
    refuse_alike(("yes", "no"), "tiny")
