import pytest
from tiny import pair, request, tiny_encoder

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.evaluate.prompts import make_prompts

DEMONSTRATIONS = [
    pair(number, "demonstration", label)
    for number, label in enumerate(["neutral", "entailment", "contradiction"])
]


@pytest.fixture
def lender(tmp_path):
    path = tmp_path / "lender.parquet"
    write_items(path, DEMONSTRATIONS)
    return path


def prompts(items, tmp_path, context=256, **changes):
    path = changes.pop("frozen", tmp_path / "items.parquet")
    asked = request(path, tmp_path / "out.parquet", **changes)
    return make_prompts(asked, items, tiny_encoder(), context)


def length(prompt):
    return max(map(len, prompt.wholes)) + 1


def test_a_prompt_without_shots_is_the_filled_template(tmp_path):
    (prompt,) = prompts([pair(1)], tmp_path)
    assert prompt.text == (
        "### Input_1: Tom was born in house 1 and works.\n"
        "### Input_2: a painter near the river paints evaluation 1.\n### Inference:"
    )
    assert prompt.ids == tiny_encoder().prompt(prompt.text)
    assert prompt.wholes[1] == tiny_encoder().prompt(prompt.text + " neutral")
    assert not prompt.truncated


def test_the_first_demonstrations_come_before_the_item(tmp_path, lender):
    (prompt,) = prompts([pair(1)], tmp_path, demonstrations=str(lender), shots=2)
    first, second, own = prompt.text.split("\n\n")
    assert first.endswith("### Inference: neutral")
    assert second.endswith("### Inference: entailment")
    assert own.endswith("### Inference:")


def test_too_few_demonstrations_are_refused(tmp_path, lender):
    with pytest.raises(StudyError, match="4 demonstrations are requested and 3 available"):
        prompts([pair(1)], tmp_path, demonstrations=str(lender), shots=4)
    with pytest.raises(StudyError, match="1 demonstrations are requested and 0 available"):
        prompts([pair(1)], tmp_path, shots=1)


def test_a_demonstration_that_is_evaluated_is_refused(tmp_path, lender):
    twin = Item("other id", "evaluation", "x", DEMONSTRATIONS[1].fields, ["neutral"])
    with pytest.raises(StudyError, match="a demonstration is also an evaluated item"):
        prompts([pair(1), twin], tmp_path, demonstrations=str(lender), shots=2)
    # It is not among the first shots, so it is not shown.
    prompts([pair(1), twin], tmp_path, demonstrations=str(lender), shots=1)


def test_one_id_means_one_item_within_a_dataset_only(tmp_path, lender):
    namesake = Item(DEMONSTRATIONS[0].item, "evaluation", "x", pair(7).fields, ["neutral"])
    shown = {"demonstrations": str(lender), "shots": 1}
    prompts([namesake], tmp_path, **shown)
    with pytest.raises(StudyError, match="a demonstration is also an evaluated item"):
        prompts([namesake], tmp_path, frozen=lender, **shown)


def test_refuse_names_item_length_context_and_key(tmp_path):
    with pytest.raises(StudyError) as caught:
        prompts([pair(1), pair(2, words=300)], tmp_path)
    text = str(caught.value)
    assert "evaluation002" in text
    assert "context is 256" in text
    assert "evaluate.truncation" in text


def test_demonstrations_are_left_out_first_ones_first(tmp_path, lender):
    shown = {"demonstrations": str(lender), "shots": 3}
    (full,) = prompts([pair(1)], tmp_path, **shown)
    (short,) = prompts([pair(1)], tmp_path, length(full) - 1, truncation="demonstrations", **shown)
    assert short.truncated
    assert short.text == full.text.split("\n\n", 1)[1]
    (same,) = prompts([pair(1)], tmp_path, length(full), truncation="demonstrations", **shown)
    assert same.text == full.text
    assert not same.truncated


def test_an_item_too_long_by_itself_is_refused_under_demonstrations(tmp_path):
    with pytest.raises(StudyError, match="without demonstrations"):
        prompts([pair(1, words=300)], tmp_path, truncation="demonstrations")


def test_input_cuts_the_end_of_the_longest_field(tmp_path, lender):
    shown = {"demonstrations": str(lender), "shots": 2}
    (prompt,) = prompts([pair(1, words=300)], tmp_path, truncation="input", **shown)
    assert prompt.truncated
    assert prompt.text.startswith("### Input_1: river river")
    assert prompt.text.endswith("paints evaluation 1.\n### Inference:")
    assert 256 - 3 <= length(prompt) <= 256


def test_what_cannot_be_cut_is_refused(tmp_path):
    with pytest.raises(StudyError, match="even without its longest field"):
        prompts([pair(1)], tmp_path, context=20, truncation="input", template="x" * 30 + "{a}:")


def test_a_generated_answer_needs_room(tmp_path):
    changes = {"kind": "generation", "prediction": "greedy", "labels": ()}
    (prompt,) = prompts([pair(1)], tmp_path, **changes)
    assert prompt.wholes == []
    room = 256 - len(prompt.ids)
    prompts([pair(1)], tmp_path, max_new_tokens=room, **changes)
    with pytest.raises(StudyError, match="needs 257 tokens"):
        prompts([pair(1)], tmp_path, max_new_tokens=room + 1, **changes)


def test_demonstrations_show_only_labels_that_are_candidates(tmp_path, lender):
    (prompt,) = prompts(
        [pair(1, label="neutral")],
        tmp_path,
        demonstrations=str(lender),
        shots=2,
        labels=("neutral", "contradiction"),
    )
    first, second, _ = prompt.text.split("\n\n")
    assert first.endswith(" neutral")
    assert second.endswith(" contradiction")
