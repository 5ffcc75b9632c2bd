"""The mini world: deterministic, balanced, without duplicates, and with only the stated facts."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.world import TASK_SETS, WorldSpec, corpus, task_set
from tuning_dynamics.data.world.entities import build

SPEC = WorldSpec(documents=4000)
SETS = {name: task_set(SPEC, name) for name in TASK_SETS}
EVALUATED = [name for name in TASK_SETS if "evaluation" in SETS[name]]
CORPUS = corpus(SPEC)
LABELLED = [n for n in EVALUATED if "label" in SETS[n]["evaluation"][0]]
CHOICES = [n for n in EVALUATED if "options" in SETS[n]["evaluation"][0]]
INPUTS = (
    "premise",
    "hypothesis",
    "first",
    "second",
    "text",
    "answer",
    "passage",
    "question",
    "messages",
)


def content(row: dict) -> str:
    """What a model reads of a row; a relabelled or reshuffled copy is the same item."""
    kept = {k: row[k] for k in INPUTS if k in row and not (k == "answer" and "options" in row)}
    return json.dumps(kept, sort_keys=True)


def digest(spec: WorldSpec) -> str:
    """One digest of a corpus and all task sets."""
    everything = [corpus(spec), {name: task_set(spec, name) for name in TASK_SETS}]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()


def test_one_seed_gives_one_world_in_every_process():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; from test_world import digest, SPEC;"
        "print(digest(SPEC))"
    )
    here = Path(__file__).parent
    package = here.parents[2] / "workflow" / "scripts"
    found = subprocess.run(
        [sys.executable, "-c", code, str(here), str(package)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert found.stdout.strip() == digest(SPEC)


def test_two_seeds_give_two_worlds():
    assert corpus(WorldSpec(seed=1, documents=50)) != CORPUS[:50]
    assert task_set(WorldSpec(seed=1), "nli_people") != SETS["nli_people"]


def test_there_are_fourteen_evaluation_sets_and_instruction_data():
    assert len(EVALUATED) == 14
    assert set(SETS["instruct_world"]) == {"train"}


@pytest.mark.parametrize("name", TASK_SETS)
def test_no_row_comes_twice(name):
    rows = [row for split in SETS[name].values() for row in split]
    assert len({content(row) for row in rows}) == len(rows)
    assert all(row["context"] for row in rows)


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_balanced_and_in_no_order(name):
    for rows in SETS[name].values():
        labels = [row["label"] for row in rows]
        counts = Counter(labels)
        assert max(counts.values()) == min(counts.values())
        assert labels[: len(counts) * 4] != labels[: len(counts)] * 4


@pytest.mark.parametrize("name", CHOICES)
def test_options_differ_and_the_right_one_stands_anywhere(name):
    rows = SETS[name]["evaluation"]
    assert all(len(set(row["options"])) == 4 for row in rows)
    places = Counter(row["answer"] for row in rows)
    assert set(places) == {0, 1, 2, 3}
    assert max(places.values()) < 0.4 * len(rows)


def test_no_person_is_trained_and_evaluated_on():
    for name in ("nli_people", "paraphrase_people", "facts_qa", "facts_reworded"):
        train, evaluation = ({r["context"] for r in SETS[name][s]} for s in ("train", "evaluation"))
        assert not train & evaluation


def test_the_corpus_holds_no_label_no_summary_and_no_reworded_question():
    text = "\n".join(CORPUS)
    for word in ("entailment", "neutral", "contradiction", "yes", "paraphrase", "summary"):
        assert word not in text.lower().split()
    summaries = [r["summary"] for r in SETS["summary_people"]["evaluation"]]
    assert not [s for s in summaries if s in text]
    assert not [r for r in SETS["facts_reworded"]["evaluation"] if r["question"] in text]


def test_the_corpus_states_but_never_asks_the_evaluated_facts():
    text = "\n".join(CORPUS)
    world = build(SPEC)
    for domain in ("people", "places", "events"):
        for entity in world.unasked(domain):
            assert entity.name in text
    assert not [r for r in SETS["facts_qa"]["evaluation"] if r["question"] in text]
    assert [r for r in SETS["facts_qa"]["train"] if r["question"] in text]


@pytest.mark.parametrize("name", ["facts_places", "facts_events"])
def test_the_closed_book_part_never_asks_what_is_evaluated(name):
    closed = "\n".join(d for d in CORPUS if d.startswith("Question:"))
    assert not [r for r in SETS[name]["evaluation"] if r["question"] in closed]


@pytest.mark.parametrize("name", ["nli_people", "nli_places", "nli_reworded"])
def test_a_denial_is_mostly_and_not_only_a_contradiction(name):
    rows = SETS[name]["evaluation"]
    denied = Counter(row["label"] for row in rows if " not " in row["hypothesis"])
    share = {label: denied[label] / (len(rows) / 3) for label in ("neutral", "contradiction")}
    assert 0.4 < share["contradiction"] < 0.8
    assert 0.05 < share["neutral"] < 0.3


def test_answers_of_context_questions_stand_in_the_passage():
    for row in SETS["context_qa"]["evaluation"]:
        assert row["options"][row["answer"]] in row["passage"]


def test_conversations_alternate_and_some_have_several_turns():
    rows = SETS["instruct_world"]["train"]
    for row in rows:
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
    assert sum(len(row["messages"]) > 2 for row in rows) > len(rows) // 10


def test_a_set_that_is_not_there_is_refused():
    with pytest.raises(StudyError, match="no such set"):
        task_set(SPEC, "nli_planets")


def test_a_world_that_is_too_small_is_refused():
    with pytest.raises(StudyError, match="too small"):
        task_set(WorldSpec(people=4), "facts_qa")
