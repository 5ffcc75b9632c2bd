"""Measures from scores of options: those of a plain reference and of lm-evaluation-harness."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.grid.evaluated_sets import EvaluatedSet
from tuning_dynamics.stats.option_measures import MEASURES, Options, item_measures, options_of

#: Options with accents, other alphabets, one character and many; the second is right.
CHOICES = {
    "a": ["no", "yes"],
    "b": ["a café in Łódź", "東京", "x", "a much longer option than the others"],
    "c": ["1", "22", "333"],
}
GOLDS = [[options[1]] for options in CHOICES.values()]


def frozen(folder: Path, choices: dict[str, list[str]]) -> EvaluatedSet:
    """A multiple-choice set with these options by item."""
    items = [
        Item(item=name, split="evaluation", context=name, fields={}, gold=[row[1]], options=row)
        for name, row in choices.items()
    ]
    write_items(folder / "items.parquet", items)
    return EvaluatedSet("quiz", (), str(folder / "items.parquet"))


def labelled(*labels: tuple[str, ...]) -> EvaluatedSet:
    return EvaluatedSet("nli", labels, "no such file")


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return options_of(frozen(tmp_path, CHOICES), list(CHOICES), GOLDS)


def scores(seed: int = 0) -> list[list[float]]:
    """Log-likelihoods of the options, from near 0 to where exp is 0."""
    rng = np.random.default_rng(seed)
    return [(-rng.uniform(0.1, 900, len(row))).tolist() for row in CHOICES.values()]


def measured(given: list[list[float]], options: Options, prediction: str) -> dict[str, Any]:
    array = pa.array(given, pa.list_(pa.float64()))
    return {
        name: values.tolist()
        for name, values in item_measures(array, options, prediction, "f.parquet").items()
    }


def softmax(row: list[float]) -> list[float]:
    """Written plainly."""
    highest = max(row)
    parts = [math.exp(score - highest) for score in row]
    return [part / sum(parts) for part in parts]


@pytest.mark.parametrize("seed", range(5))
def test_measures_are_those_of_a_plain_reference(options: Options, seed: int) -> None:
    given = scores(seed)
    found = measured(given, options, "likelihood")
    for number, (row, choices) in enumerate(zip(given, CHOICES.values(), strict=True)):
        others = row[:1] + row[2:]
        size = len(f" {choices[1]}".encode())
        assert found["probability"][number] == pytest.approx(softmax(row)[1], abs=1e-12)
        assert found["margin"][number] == pytest.approx(row[1] - max(others), abs=1e-9)
        assert found["nats"][number] == pytest.approx(-row[1], rel=1e-12)
        bits = -row[1] * math.log2(math.e) / size
        assert found["bits_per_byte"][number] == pytest.approx(bits, rel=1e-12)


def test_bits_and_probabilities_are_lm_evaluation_harness_s(options: Options) -> None:
    metrics = pytest.importorskip("lm_eval.api.metrics")
    utils = pytest.importorskip("lm_eval.utils")
    given = [[one / 50 for one in row] for row in scores()]
    found = measured(given, options, "likelihood")
    for number, (row, choices) in enumerate(zip(given, CHOICES.values(), strict=True)):
        pair = (row[1], len(f" {choices[1]}".encode()))
        assert abs(found["bits_per_byte"][number] - metrics.bits_per_byte([pair])) < 1e-9
        assert abs(found["probability"][number] - utils.softmax(np.array(row))[1]) < 1e-9


def test_a_margin_above_0_is_a_right_answer(options: Options) -> None:
    for seed in range(20):
        given = scores(seed)
        right = [row.index(max(row)) == 1 for row in given]
        for prediction in ("likelihood", "likelihood_per_char", "likelihood_pmi"):
            margins = measured(given, options, prediction)["margin"]
            assert [margin > 0 for margin in margins] == right


def test_scores_per_character_give_the_likelihood_back(options: Options) -> None:
    whole = scores(1)
    scaled = [
        [score / len(option) for score, option in zip(row, choices, strict=True)]
        for row, choices in zip(whole, CHOICES.values(), strict=True)
    ]
    found, plain = (
        measured(scaled, options, "likelihood_per_char"),
        measured(whole, options, "likelihood"),
    )
    assert set(found) == {"margin", "nats", "bits_per_byte"}
    for name in ("nats", "bits_per_byte"):
        assert found[name] == pytest.approx(plain[name], rel=1e-12)
    assert found["margin"] != pytest.approx(plain["margin"])


def test_each_method_has_the_measures_that_its_scores_can_give(options: Options) -> None:
    for prediction, names in MEASURES.items():
        assert tuple(measured(scores(), options, prediction)) == names
    assert MEASURES["likelihood_pmi"] == ("margin",)
    assert "bits_per_byte" not in MEASURES["token_prob"]


def test_the_words_of_a_label_share_its_probability() -> None:
    about = labelled(("yes", "sure"), ("no",), ("maybe", "perhaps"))
    options = options_of(about, ["a", "b"], [["yes"], ["maybe"]])
    shares = [[0.1, 0.3, 0.2, 0.1, 0.05], [0.2, 0.1, 0.4, 0.05, 0.15]]
    logs = [[math.log(share) for share in row] for row in shares]
    found = measured(logs, options, "token_prob")
    assert found["probability"] == pytest.approx([0.4 / 0.75, 0.2 / 0.9])
    assert found["nats"] == pytest.approx([-math.log(0.4), -math.log(0.2)])
    assert found["margin"] == pytest.approx([math.log(0.3 / 0.2), math.log(0.15 / 0.4)])


def test_an_item_that_is_not_frozen_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="1 items of 'quiz' have answers but are not frozen"):
        options_of(frozen(tmp_path, {"a": ["x", "y"]}), ["a", "z"], [["y"], ["y"]])


@pytest.mark.parametrize("gold", ["z", "x"])
def test_an_item_without_a_choice_is_refused(tmp_path: Path, gold: str) -> None:
    with pytest.raises(StudyError, match="right ones among its 2 options") as error:
        options_of(frozen(tmp_path, {"a": ["x", "x"]}), ["a"], [[gold]])
    assert "datasets/quiz.yaml" in str(error.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), None])
def test_a_score_that_is_no_number_is_refused(options: Options, bad: float | None) -> None:
    given: list[list[Any]] = [list(row) for row in scores()]
    given[1][0] = bad
    with pytest.raises(StudyError, match="no finite number") as error:
        measured(given, options, "likelihood")
    assert "f.parquet" in str(error.value)


def test_another_number_of_scores_is_refused(options: Options) -> None:
    given = scores()
    given[2].append(-1.0)
    with pytest.raises(StudyError, match="4 scores for 3 options"):
        measured(given, options, "likelihood")
    with pytest.raises(StudyError, match="0 scores for 2 options"):
        measured([[], *given[1:]], options, "likelihood")
