"""Answers by pattern: as lm-evaluation-harness's filter; what no pattern can be is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from planted import ROOT, demo
from synthetic import DRAWING
from unit.stats.test_scores import cell

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.answer_pattern import AnswerPattern
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.grid.dataset_checks import require_fitting
from tuning_dynamics.grid.evaluated_sets import EvaluatedSet
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.stats import extraction
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.extraction import extracted

NUMBER = r"#### (-?[0-9.,]+)"
TEXTS = [
    "Half of 24 is 12.\n#### 12",
    "#### -3 no, #### 1,024.5",
    "the answer is 12",
    "####  7",
    "",
    "####\n#### 8,",
]


@pytest.mark.parametrize("match", ["first", "last"])
@pytest.mark.parametrize("pattern", [NUMBER, r"is(?: not)? (\w+)?", r"(?i)HALF of (\d+)", r"( .*)"])
def test_answers_are_those_of_lm_evaluation_harness(pattern: str, match: Any) -> None:
    filters = pytest.importorskip("lm_eval.filters.extraction")
    theirs = filters.RegexFilter(pattern, {"first": 0, "last": -1}[match], fallback="")
    expected = [answers[0] for answers in theirs.apply([[text] for text in TEXTS], [{}])]
    assert extracted(TEXTS, AnswerPattern(pattern=pattern, match=match), "s") == expected


def test_the_first_match_is_the_answer_unless_the_last_is_asked_for() -> None:
    assert extracted(TEXTS[:3], AnswerPattern(pattern=NUMBER), "s") == ["12", "-3", ""]
    last = AnswerPattern(pattern=NUMBER, match="last")
    assert extracted(TEXTS[:3], last, "s") == ["12", "1,024.5", ""]


def test_a_search_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "SEARCHING", 0.05)
    with pytest.raises(StudyError, match="is searched for more than") as error:
        extracted(["a" * 60 + "b"], AnswerPattern(pattern="((?:a+)+)$"), "sums")
    assert "datasets/sums.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("no group", "it has 0 groups"),
        ("(a)|(b)", "it has 2 groups"),
        ("(a", "not a regular expression"),
        ("(?:a)", "it has 0 groups"),
    ],
)
def test_a_pattern_has_one_group(pattern: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        AnswerPattern(pattern=pattern)


def generated(path: Path, answers: list[str], **changes: Any) -> dict[str, Any]:
    """A cell of generated answers, of which 12 is right."""
    names = [f"item-{number}" for number in range(len(answers))]
    more = {"kind": "generation", "prediction": "greedy", "metric": "accuracy"}
    key = cell(path, [0.0, 1.0], **{**more, "eval_set": "sums", **changes})
    pd.DataFrame(
        {
            **{"item": names, "context": names, "prompt_digest": "0", "truncated": False},
            **{"prediction": answers, "gold": [["12"] for _ in names]},
            "option_scores": [[] for _ in names],
        }
    ).to_parquet(path, index=False)
    return key


def test_scores_and_agreement_are_those_of_the_extracted_answers(tmp_path: Path) -> None:
    answers = [
        ["one\n#### 12", "#### 12", "12", "#### 3"] * 3,
        ["two\n#### 12", "#### 4", "12", "and #### 3"] * 3,
    ]
    cells = [
        generated(tmp_path / f"{seed}", own, recipe="full", train_set="t", seed=seed)
        for seed, own in enumerate(answers)
    ]
    about = EvaluatedSet("sums", (), "no such file", AnswerPattern(pattern=NUMBER))
    made = cell_tables(cells, sets={"sums": about}, **DRAWING)
    assert made["scores"]["score"].tolist() == [0.5, 0.25]
    assert made["seed_agreement"]["agreement"].tolist() == [0.75]
    whole = cell_tables(cells, **DRAWING)
    assert whole["scores"]["score"].tolist() == [0.25, 0.25]
    assert whole["seed_agreement"]["agreement"].tolist() == [0.25]


def demo_with(dataset: str, **keys: Any) -> Any:
    """The demo with more keys of a dataset."""
    study = load_study(read_yaml(ROOT / "config" / "config.yaml"), ROOT, "config/config.yaml")
    changed = study.datasets[dataset].model_copy(update=keys)
    return study.model_copy(update={"datasets": {**study.datasets, dataset: changed}})


def test_only_a_set_whose_answers_are_generated_has_a_pattern() -> None:
    pattern = AnswerPattern(pattern=NUMBER)
    fitting = demo_with("summary_people", answer_pattern=pattern)
    require_fitting(fitting, expand(fitting, "x"))
    other = demo_with("nli_people", answer_pattern=pattern)
    with pytest.raises(StudyError, match="classification set has no use for answer_pattern"):
        require_fitting(other, expand(other, "x"))


def test_a_pattern_freezes_and_evaluates_nothing_again() -> None:
    name = "summary_people"
    plain = demo()
    with_pattern = Jobs(demo_with(name, answer_pattern=AnswerPattern(pattern=NUMBER)), "x")
    for jobs in (plain, with_pattern):
        assert "answer_pattern" not in json.loads(jobs.data.freeze_spec(name))["dataset"]
    assert with_pattern.data.freeze_spec(name) == plain.data.freeze_spec(name)
    params = [
        [jobs.evaluate.cells_of(rule)(None) for rule in jobs.evaluate.evaluations]
        for jobs in (plain, with_pattern)
    ]
    assert params[0] == params[1]
    assert with_pattern.stats.merged_config() != plain.stats.merged_config()
