"""Scores of answers; an unknown metric, or one that gives no fraction, is refused."""

import json
import random
import re
import string
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from planted import demo
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.words import WORDS_OF, answer_words
from tuning_dynamics.grid.merged_config import cell_row
from tuning_dynamics.identity.code_digest import code_parts, spec_words
from tuning_dynamics.stats import item_scores as scores_module
from tuning_dynamics.stats import metrics
from tuning_dynamics.stats.item_scores import item_scores


def score(metric: str, prediction: str, gold: list[str]) -> float:
    """The score of one answer."""
    return float(item_scores(metric, [prediction], [gold])[0])


def test_accuracy_is_equality_with_a_right_answer() -> None:
    assert score("accuracy", "yes", ["yes"]) == score("accuracy", "yes", ["no", "yes"]) == 1.0
    assert score("accuracy", "", ["yes"]) == 0.0
    rng, labels = np.random.default_rng(0), ["yes", "no", "maybe"]
    answers, right = rng.choice(labels, 50).tolist(), rng.choice(labels, 50).tolist()
    scores = item_scores("accuracy", answers, [[one] for one in right])
    assert scores.mean() == accuracy_score(right, answers)


def test_rouge_l_takes_the_best_reference() -> None:
    assert score("rouge_l", "the cat sat", ["a dog", "The cat sat."]) == 1.0
    assert score("rouge_l", "the cat sat", ["the dog sat"]) == pytest.approx(2 / 3)
    assert score("rouge_l", "", ["the dog"]) == score("rouge_l", "the dog", ["…"]) == 0.0


def test_rouge_l_reads_ascii_text_as_rouge_score_does() -> None:
    theirs = RougeScorer(["rougeL"], use_stemmer=False)
    for answer, right in (("A cat-nap, 3 times!", "the CAT'S 3 naps"), ("x_y z", "y z x")):
        assert score("rouge_l", answer, [right]) == theirs.score(right, answer)["rougeL"].fmeasure


def test_f1_counts_shared_words_as_often_as_they_occur() -> None:
    assert score("f1", "The cat, the cat sat.", ["a cat sat down", "no"]) == pytest.approx(2 / 3)
    assert score("f1", "b b c", ["b c d", "b b c e"]) == pytest.approx(6 / 7)
    assert score("f1", "", ["x"]) == score("f1", "y", ["x"]) == score("f1", "the", ["an"]) == 0.0


def test_each_item_is_scored_by_its_own_answers() -> None:
    golds = [["a b"], ["c"], ["d", "a"]]
    assert item_scores("accuracy", ["a b", "a", "a"], golds).tolist() == [1.0, 0.0, 1.0]
    assert item_scores("rouge_l", ["a", "c", "e"], golds).tolist() == [2 / 3, 1.0, 0.0]
    assert item_scores("accuracy", [], []).shape == (0,)


def test_a_metric_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(StudyError, match="there is no metric 'f2'") as error:
        item_scores("f2", ["a"], [["a"]])
    assert "accuracy, exact_match, f1, rouge_l" in str(error.value)


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_score_outside_0_to_1_is_refused(monkeypatch: pytest.MonkeyPatch, score: float) -> None:
    odd = SimpleNamespace(scores=lambda answers, _: [score if it == "b" else 1.0 for it in answers])
    for module in (metrics, scores_module):
        monkeypatch.setattr(module, "METRICS", {"odd": odd})
    with pytest.raises(StudyError, match="1 scores outside") as error:
        item_scores("odd", ["a", "b"], [["x"], ["y"]])
    assert "['b', 'y']" in str(error.value)


def test_the_metrics_of_a_study_are_among_the_code_that_makes_its_scores() -> None:
    jobs = demo()
    used = json.loads(jobs.stats.metrics())
    assert used == ["accuracy", "rouge_l"]
    assert {cell_row(jobs.resolved, cell)["metric"] for cell in jobs.grid.cells} == set(used)
    parts = code_parts("stats_scores.py", spec_words(jobs.stats.metrics()))
    counted = {Path(part.file).stem for part in parts if part.name == "scores"}
    assert counted == set(used)
    assert not any("METRICS" in part.name for part in code_parts("evaluate_variant.py"))


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("القط جلس", "القط جلس على السجادة", 2 / 3),  # 2 of 2 words, 2 of 4
        ("Кошка сидит", "кошка сидит на ковре", 2 / 3),
        ("बिल्ली बैठी है", "बिल्ली बैठी है", 1.0),
        ("猫坐", "猫坐在垫子上", 1 / 2),  # 2 of 2 characters, 2 of 6
        ("ねこ", "ねこがいる", 4 / 7),
        ("le résumé été", "le resume ete", 1 / 3),  # another word without its accent
        ("η γάτα", "η γάτα κάθισε", 4 / 5),
        ("החתול ישב", "החתול ישב", 1.0),
        ("แมว", "แมวนั่ง", 3 / 4),  # 3 of 3 letters with their marks, 3 of 5
    ],
)
def test_rouge_l_sees_text_of_any_script(answer: str, reference: str, score: float) -> None:
    assert item_scores("rouge_l", [answer], [[reference]])[0] == pytest.approx(score)


def ascii_texts(seed: int) -> list[str]:
    """Random texts: words that recur, with all that a keyboard types between and within them."""
    rng = random.Random(seed)
    known = ["the", "a", "an", "cat", "Cat's", "sat", "SAT", "x_y", "3.5", "mat-made", "it's", ""]
    parts, gaps = [*known * 30, *string.printable], ["", " ", " ", " ", "\n", "\t", ", "]
    sizes = (rng.randrange(12) for _ in range(2500))
    return ["".join(rng.choice(parts) + rng.choice(gaps) for _ in range(n)) for n in sizes]


def test_rouge_l_of_ascii_text_is_rouge_score_s_to_the_digit() -> None:
    theirs = RougeScorer(["rougeL"], use_stemmer=False)
    answers, rights = ascii_texts(0), ascii_texts(1)
    found = item_scores("rouge_l", answers, [[right] for right in rights])
    expected = [
        theirs.score(right, answer)["rougeL"].fmeasure
        for answer, right in zip(answers, rights, strict=True)
    ]
    assert found.tolist() == expected
    assert 0.1 < found.mean() < 0.6, found.mean()


def squad_f1(prediction: str, right: str) -> float:
    """SQuAD's own evaluation (Rajpurkar et al. 2016), version 1.1."""

    def normalized(text: str) -> list[str]:
        plain = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", plain).split()

    shared = sum((Counter(normalized(prediction)) & Counter(normalized(right))).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(normalized(prediction)), shared / len(normalized(right))
    return 2 * precision * recall / (precision + recall)


def test_f1_of_ascii_text_is_squad_s() -> None:
    answers, rights = ascii_texts(2), ascii_texts(3)
    found = item_scores("f1", answers, [[right] for right in rights])
    expected = [squad_f1(answer, right) for answer, right in zip(answers, rights, strict=True)]
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("Москва.", "«Москва»", 1.0),
        ("हाँ।", "हाँ", 1.0),
        ("el Niño", "El nin\u0303o", 1.0),
        ("猫坐", "猫坐在垫子上", 1 / 2),
        ("القاهرة؟", "القاهرة", 1.0),
        ("l\u2019été", "l'été", 1.0),
        ("le resume", "le résumé", 1 / 2),
    ],
)
def test_f1_sees_text_of_any_script(answer: str, reference: str, score: float) -> None:
    assert item_scores("f1", [answer], [[reference]])[0] == pytest.approx(score)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "rouge_l"])
def test_a_letter_and_its_mark_are_one_letter_however_encoded(metric: str) -> None:
    for composed, apart in (("été", "e\u0301te\u0301"), ("한국", "한국"), ("Å", "\u212b")):
        assert score(metric, composed, [apart]) == score(metric, apart, [composed]) == 1.0
    assert score(metric, "ete", ["e\u0301te\u0301"]) == 0.0


@pytest.mark.parametrize("metric", ["accuracy", "f1", "rouge_l"])
def test_a_metric_of_words_says_which_it_sees(metric: str) -> None:
    """The set's freezing refuses a right answer that its metric would score 0 whatever is said."""
    for text in ("!!!", "🙂", "—", "the", "a", "yes", "猫", "5", "→ ≤", "C"):
        seen = metric not in WORDS_OF or bool(WORDS_OF[metric](text))
        assert score(metric, text, [text]) == float(seen)


def test_an_answer_s_words_are_those_of_squad_in_any_script() -> None:
    assert answer_words("The cat's, it is: a 3.5!") == ["cats", "it", "is", "35"]
    assert answer_words("「東京」です。") == ["東", "京", "で", "す"]
    assert answer_words("“Ça va”, dit-elle…") == ["ça", "va", "ditelle"]


def squad_exact_match(prediction: str, right: str) -> float:
    """SQuAD's own evaluation (Rajpurkar et al. 2016), version 1.1."""

    def normalized(text: str) -> str:
        plain = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())

    return float(normalized(prediction) == normalized(right))


def test_exact_match_of_ascii_text_is_squad_s() -> None:
    rng = random.Random(4)
    rights = [text for text in ascii_texts(5) if answer_words(text)]
    # Half of the answers are the right ones with other case, punctuation, articles and spaces.
    answers = [
        f"the  {right.upper()}," if rng.random() < 0.5 else right[: rng.randrange(1, 30)]
        for right in rights
    ]
    found = item_scores("exact_match", answers, [[right] for right in rights])
    pairs = zip(answers, rights, strict=True)
    assert found.tolist() == [squad_exact_match(answer, right) for answer, right in pairs]
    assert 0.4 < found.mean() < 0.9, found.mean()


def test_exact_match_takes_any_right_answer_in_any_script() -> None:
    assert score("exact_match", "The Cat.", ["a dog", "cat"]) == 1.0
    assert score("exact_match", "«Москва»!", ["москва"]) == 1.0
    assert score("exact_match", "sat cat", ["cat sat"]) == score("exact_match", "", ["x"]) == 0.0


def test_exact_match_refuses_a_right_answer_that_an_empty_one_would_match() -> None:
    with pytest.raises(StudyError, match="a right answer has no word"):
        score("exact_match", "", ["yes", "the!"])
