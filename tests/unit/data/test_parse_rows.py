"""Rows to items: composed fields, replacements, white space, label words, withheld gold."""

import math
from collections import Counter
from typing import Any

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.dataset import Dataset, Kind
from tuning_dynamics.data import parse_rows
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.parse_rows import to_item

PAIR: dict[str, Any] = {
    "fields": {"a": "sentence1", "b": "sentence2"},
    "gold": {"field": "label", "labels": {"0": "no", "1": "yes"}},
}
PAIR_ROW = {"sentence1": "It rains .", "sentence2": "It is wet .", "label": 1, "idx": 0}
SOCIAL: dict[str, Any] = {
    "compose": {"answer1": "{answerA}", "answer2": "{answerB}", "answer3": "{answerC}"},
    "fields": {"text": "context", "answer": "answer{label}"},
    "gold": {"field": "question"},
}
SOCIAL_ROW = {
    "context": "Ada lent Tom a saw.",
    "question": "How is Ada?",
    "answerA": "kind",
    "answerB": "lazy",
    "answerC": "late",
    "label": "2",
}
CHOICE: dict[str, Any] = {
    "fields": {"question": "question"},
    "options": "choices.text",
    "gold": {"field": "answerKey", "positions_field": "choices.label"},
}
CHOICE_ROW = {
    "id": "q1",
    "question": "Which part takes up water ?",
    "choices": {"text": ["leaf", "root", "petal"], "label": ["A", "B", "C"]},
    "answerKey": "B",
}
CONTINUATION: dict[str, Any] = {
    "compose": {"query": "{activity_label}: {ctx_a} {ctx_b!c}"},
    "clean": [
        {"pattern": r"^\s+|\s+$", "replacement": ""},
        {"pattern": r" \[title\]", "replacement": ". "},
        {"pattern": r"\[.*?\]", "replacement": ""},
        {"pattern": "  ", "replacement": " "},
    ],
    "verbatim": True,
    "fields": {"question": "query"},
    "options": "endings",
    "gold": {"field": "label"},
}
CONTINUATION_ROW = {
    "activity_label": "Roof repair",
    "ctx_a": "[header] How to mend a roof [title] Clear it first.",
    "ctx_b": "the OLD tiles",
    "endings": ["[substeps] go  up.", "go down."],
    "label": "1",
}
DIALOGUE: dict[str, Any] = {"messages": "messages"}


def turn(role: str, content: str | None) -> dict[str, Any]:
    return {"role": role, "content": content}


def item(
    description: dict[str, Any], row: dict[str, Any], kind: Kind, seed: int = 0, **changes: Any
) -> Item:
    """The item of a row under a description with `changes`."""
    source = {"hub": {"id": "a/b", "splits": {"evaluation": "test"}}}
    common = {"task": "x", "domain": "x", "licence": "x", "source": source}
    dataset = Dataset.model_validate({**common, **description, **changes})
    return to_item(dataset, kind, row, "evaluation", "row 1 of evaluation", "x.yaml", seed)


def refused(
    message: str, description: dict[str, Any], row: dict[str, Any], kind: Kind, **changes: Any
) -> StudyError:
    """The error that a row is refused with."""
    with pytest.raises(StudyError, match=message) as error:
        item(description, row, kind, **changes)
    assert error.value.file == "x.yaml"
    assert error.value.key
    assert error.value.fix
    return error.value


# --- compose -----------------------------------------------------------------------------------


def test_the_answer_shown_is_the_one_that_the_label_names() -> None:
    for label, answer in (("1", "kind"), ("2", "lazy"), ("3", "late")):
        found = item(SOCIAL, {**SOCIAL_ROW, "label": label}, "generation")
        assert found.fields == {"text": "Ada lent Tom a saw.", "answer": answer}
        assert found.gold == ["How is Ada?"]


@pytest.mark.parametrize("label", ["", "-1", "4", -1, 0])
def test_a_label_that_names_no_answer_is_refused(label: str | int) -> None:
    refused("lacks a field", SOCIAL, {**SOCIAL_ROW, "label": label}, "generation")


@pytest.mark.parametrize(
    ("second", "shown"),
    [("the OLD tiles", "The old tiles"), ("", ""), ("élan Vital", "Élan vital"), ("ßA", "Ssa")],
)
def test_a_composed_field_begins_with_a_capital_as_python_capitalises(
    second: str, shown: str
) -> None:
    description = {
        **PAIR,
        "compose": {"both": "{sentence1} {sentence2!c}|"},
        "fields": {"a": "both"},
    }
    row = {**PAIR_ROW, "sentence2": second}
    assert item(description, row, "classification").fields["a"] == " ".join(
        f"It rains . {shown}|".split()
    )
    assert shown == second.capitalize()


def test_a_composed_field_may_be_a_constant_or_hold_braces() -> None:
    changes = {
        "compose": {"right": "1", "set": "{{{label}}}"},
        "fields": {"a": "set", "b": "right"},
    }
    assert item({**PAIR, **changes}, PAIR_ROW, "classification").fields == {"a": "{1}", "b": "1"}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{nothing}", "lacks a field"),
        ("{other}", "lacks a field"),
        ("{hidden}", "no text in the field 'hidden'"),
        ("{share}", "a number with decimals"),
        ("{flag}", "a truth value"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(template: str, message: str) -> None:
    # `other` is composed itself: composed fields are made of the row's own only.
    compose = {"both": template, "other": "x"}
    row = {**PAIR_ROW, "hidden": None, "share": 0.5, "flag": True}
    refused(message, PAIR, row, "classification", compose=compose)


def test_a_composed_field_never_replaces_one_of_the_row() -> None:
    compose = {"sentence1": "{sentence2}"}
    error = refused("the name of a field", PAIR, PAIR_ROW, "classification", compose=compose)
    assert error.key == "compose.sentence1"


# --- clean and verbatim ------------------------------------------------------------------------


def test_continuations_are_cleaned_as_the_harness_does() -> None:
    found = item(CONTINUATION, CONTINUATION_ROW, "multiple_choice")
    title = "Roof repair:  How to mend a roof. Clear it first. The old tiles"
    assert found.fields == {"question": title.replace(":  ", ": ")}
    assert sorted(found.options) == [" go up.", "go down."]
    assert found.gold == ["go down."]


def test_replacements_come_in_order_and_before_white_space_is_joined() -> None:
    clean = [{"pattern": "a", "replacement": "b"}, {"pattern": r"b(\s)", "replacement": r"c\1"}]
    row = {**PAIR_ROW, "sentence1": "a \n b  x"}
    assert item(PAIR, row, "classification", clean=clean).fields["a"] == "c c x"


def test_replacements_reach_every_text_that_is_shown_and_nothing_else() -> None:
    clean = [{"pattern": "(?i)saw", "replacement": "axe"}]
    generated = item(
        SOCIAL, {**SOCIAL_ROW, "question": ["A saw?", "Why?"]}, "generation", clean=clean
    )
    assert generated.fields["text"] == "Ada lent Tom a axe."
    assert generated.gold == ["A axe?", "Why?"]
    chosen = item(
        CHOICE,
        {**CHOICE_ROW, "id": "saw", "choices": {"text": ["saw", "b"], "label": ["saw", "B"]}},
        "multiple_choice",
        clean=clean,
        id_field="id",
        gold={"field": "id", "positions_field": "choices.label"},
    )
    assert (chosen.item, sorted(chosen.options), chosen.gold) == ("saw", ["axe", "b"], ["axe"])
    row = {"messages": [turn("user", "A saw?"), turn("assistant", "Saw.")]}
    parsed = item(DIALOGUE, row, "instruction", clean=clean)
    assert [message["content"] for message in parsed.messages] == ["A axe?", "axe."]
    labels = {"field": "label", "labels": {"saw": "saw", "no": "no"}}
    named = item(PAIR, {**PAIR_ROW, "label": "saw"}, "classification", clean=clean, gold=labels)
    assert named.gold == ["saw"]


def test_a_text_of_which_nothing_is_left_is_refused() -> None:
    clean = [{"pattern": ".*", "replacement": ""}]
    refused("no text", PAIR, PAIR_ROW, "classification", clean=clean)


def test_white_space_is_joined_unless_verbatim() -> None:
    row = {**PAIR_ROW, "sentence1": " one\n\n two\t", "sentence2": ["a ", " b"]}
    joined = item(PAIR, row, "classification")
    assert joined.fields == {"a": "one two", "b": "a b"}
    kept = item(PAIR, row, "classification", verbatim=True)
    assert kept.fields == {"a": " one\n\n two\t", "b": "a   b"}
    refused("no text", PAIR, {**row, "sentence1": " \n"}, "classification", verbatim=True)


def test_messages_keep_line_breaks_and_lose_their_ends_unless_verbatim() -> None:
    row = {"messages": [turn("user", "one\n\ntwo \n"), turn("assistant", " yes")]}
    found = item(DIALOGUE, row, "instruction")
    assert [message["content"] for message in found.messages] == ["one\n\ntwo", "yes"]
    assert item(DIALOGUE, row, "instruction", verbatim=True).messages == row["messages"]


# --- optional ----------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["", " \n", None, []])
@pytest.mark.parametrize("verbatim", [False, True])
def test_only_an_optional_field_may_be_empty(empty: Any, verbatim: bool) -> None:
    row = {**PAIR_ROW, "sentence1": empty}
    changes = {"verbatim": verbatim, "optional": ["a"]}
    assert item(PAIR, row, "classification", **changes).fields["a"] == ""
    error = refused("no text", PAIR, row, "classification", verbatim=verbatim, optional=["b"])
    assert error.key == "sentence1"


@pytest.mark.parametrize("value", [{"text": "x"}, [1, 2]])
def test_an_optional_field_must_still_be_text(value: Any) -> None:
    row = {**PAIR_ROW, "sentence1": value}
    refused("no text", PAIR, row, "classification", optional=["a"])


def test_an_optional_field_must_still_be_there() -> None:
    row = {"sentence2": "x", "label": 1}
    refused("lacks a field", PAIR, row, "classification", optional=["a"])


def test_an_empty_message_is_kept_on_request_only() -> None:
    row = {"messages": [turn("user", "Hi"), turn("assistant", " ")]}
    refused("an empty message", DIALOGUE, row, "instruction")
    found = item(DIALOGUE, row, "instruction", optional=["messages"])
    assert [message["content"] for message in found.messages] == ["Hi", ""]


# --- labels ------------------------------------------------------------------------------------


def test_a_label_of_several_words_shows_the_first() -> None:
    labels = {"0": "entailment", "1": ["neutral", "contradiction"]}
    changes = {"gold": {"field": "label", "labels": labels}}
    assert item(PAIR, {**PAIR_ROW, "label": 0}, "classification", **changes).gold == ["entailment"]
    assert item(PAIR, {**PAIR_ROW, "label": 1}, "classification", **changes).gold == ["neutral"]
    refused("not in labels", PAIR, {**PAIR_ROW, "label": 2}, "classification", **changes)


@pytest.mark.parametrize("label", [-1, "-1", -1.0, None, ""])
def test_a_withheld_label_is_refused(label: Any) -> None:
    refused("'no label' value", PAIR, {**PAIR_ROW, "label": label}, "classification")


def test_a_label_that_the_dataset_names_is_no_withheld_one() -> None:
    gold = {"field": "label", "labels": {"-1": "bad", "1": "good"}}
    assert item(PAIR, {**PAIR_ROW, "label": -1}, "classification", gold=gold).gold == ["bad"]


@pytest.mark.parametrize(
    ("score", "label"),
    [
        *((0.0, "no"), (3.5, "no"), (3.6, "yes"), (5.0, "yes"), (-2, "no"), (4, "yes")),
        *(("4.2", "yes"), ("0.5", "no"), (" +4.2e0 ", "yes"), ("-0.5", "no"), (".5", "no")),
    ],
)
def test_a_threshold_makes_labels_of_scores(score: Any, label: str) -> None:
    gold = {"field": "label", "threshold": {"above": 3.5, "yes": "yes", "no": "no"}}
    assert item(PAIR, {**PAIR_ROW, "label": score}, "classification", gold=gold).gold == [label]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (-1.0, "'no label' value"),
        (-1, "'no label' value"),
        ("-1", "'no label' value"),
        ("-1.00", "'no label' value"),
        (" -1 ", "'no label' value"),
        ("-1e0", "'no label' value"),
        (None, "'no label' value"),
        ("", "'no label' value"),
        (math.nan, "no score"),
        ("nan", "no score"),
        (math.inf, "no score"),
        ("-inf", "no score"),
        ("1e999", "no score"),
        ("high", "no score"),
        ("4_2", "no score"),
        ("4,2", "no score"),
        ("0x5", "no score"),
        ("٤", "no score"),
        (True, "no score"),
        ([3.0], "no score"),
        ({"score": 3.0}, "no score"),
    ],
)
def test_a_withheld_score_does_not_read_as_no(score: Any, message: str) -> None:
    gold = {"field": "label", "threshold": {"above": 3.5, "yes": "yes", "no": "no"}}
    refused(message, PAIR, {**PAIR_ROW, "label": score}, "classification", gold=gold)


@pytest.mark.parametrize(
    "references", [[], None, "", " ", [""], [None], -1, -1.0, [-1], ["Who?", -1], [-1, "Who?"]]
)
def test_withheld_references_are_refused(references: Any) -> None:
    refused("'no label' value", SOCIAL, {**SOCIAL_ROW, "question": references}, "generation")


def test_a_reference_may_say_none_but_not_nothing() -> None:
    row = {**SOCIAL_ROW, "question": ["None", "-1"]}
    assert item(SOCIAL, row, "generation").gold == ["None", "-1"]
    refused("no text", SOCIAL, {**SOCIAL_ROW, "question": ["Who?", " "]}, "generation")


@pytest.mark.parametrize(
    ("metric", "references"),
    [
        (None, "!!!"),
        (None, "🙂"),
        (None, ["Who?", "…"]),
        ("rouge_l", "→"),
        ("f1", "The"),
        ("f1", ["Who?", "«»"]),
    ],
)
def test_an_answer_that_the_metric_does_not_see_is_refused(
    metric: str | None, references: Any
) -> None:
    row = {**SOCIAL_ROW, "question": references}
    named = metric or "rouge_l"
    error = refused(f"without a word: {named}", SOCIAL, row, "generation", metric=metric)
    assert "accuracy" in error.fix
    assert item(SOCIAL, row, "generation", metric="accuracy").gold


def test_labels_and_options_need_a_word_for_a_metric_of_words_only() -> None:
    gold = {"field": "label", "labels": {"0": "no", "1": "🙂"}}
    assert item(PAIR, PAIR_ROW, "classification", gold=gold).gold == ["🙂"]
    refused(
        "without a word: rouge_l", PAIR, PAIR_ROW, "classification", gold=gold, metric="rouge_l"
    )
    row = {**CHOICE_ROW, "choices": {"text": ["<", ">", "="], "label": ["A", "B", "C"]}}
    assert item(CHOICE, row, "multiple_choice").gold == [">"]
    refused("without a word: rouge_l", CHOICE, row, "multiple_choice", metric="rouge_l")


# --- options -----------------------------------------------------------------------------------


def test_the_right_option_follows_its_letter_and_stands_anywhere() -> None:
    places: Counter[int] = Counter()
    for number in range(60):
        row = {**CHOICE_ROW, "question": f"Which of {number} ?"}
        found = item(CHOICE, row, "multiple_choice")
        assert found.gold == ["root"]
        assert sorted(found.options) == ["leaf", "petal", "root"]
        places[found.options.index("root")] += 1
    assert min(places[place] for place in range(3)) >= 10


def test_the_order_of_options_is_of_the_seed_and_the_item() -> None:
    rows = [{**CHOICE_ROW, "question": f"Which of {number} ?"} for number in range(8)]
    orders = [[item(CHOICE, row, "multiple_choice", s).options for row in rows] for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_an_answer_first_in_every_row_is_not_shown_first() -> None:
    description: dict[str, Any] = {
        "compose": {"right": "0"},
        "fields": {"question": "question"},
        "options": ["correct_answer", "distractor1", "distractor2", "distractor3"],
        "gold": {"field": "right"},
    }
    found = [
        item(
            description,
            {
                "question": f"What is {number} ?",
                "correct_answer": f"right {number}",
                **{f"distractor{k}": f"wrong {k}" for k in (1, 2, 3)},
            },
            "multiple_choice",
        )
        for number in range(60)
    ]
    assert all(one.gold == [f"right {number}"] for number, one in enumerate(found))
    assert 5 <= sum(one.options.index(one.target) == 0 for one in found) <= 27


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "'no label' value"),
        (None, "'no label' value"),
        (-1, "'no label' value"),
        ("D", "D|A, B"),
    ],
)
def test_an_option_that_is_not_there_is_refused(answer: Any, message: str) -> None:
    refused(message, CHOICE, {**CHOICE_ROW, "answerKey": answer}, "multiple_choice")


def test_a_right_option_may_not_be_a_wrong_one_too() -> None:
    choices = {"text": ["root", "root", "petal"], "label": ["A", "B", "C"]}
    row = {**CHOICE_ROW, "choices": choices}
    refused("the same option twice", CHOICE, row, "multiple_choice")
    # Two wrong ones are both wrong.
    found = item(CHOICE, {**row, "answerKey": "C"}, "multiple_choice")
    assert sorted(found.options) == ["petal", "root", "root"]


def test_options_need_text_and_number() -> None:
    few = {**CHOICE_ROW, "choices": {"text": ["root"], "label": ["B"]}}
    refused("fewer than two options", CHOICE, few, "multiple_choice")
    empty = {**CHOICE_ROW, "choices": {"text": ["root", ""], "label": ["B", "A"]}}
    refused("no text", CHOICE, empty, "multiple_choice", optional=["question"])


# --- messages and ids --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages",
    [
        [],
        None,
        "Hi",
        ["Hi"],
        [turn("user", "Hi")],
        [turn("user", "Hi"), turn("tool", "x"), turn("assistant", "y")],
        [turn("user", None), turn("assistant", "y")],
        [{"role": "user"}, turn("assistant", "y")],
    ],
)
def test_what_is_no_dialogue_is_refused(messages: Any) -> None:
    for optional in ([], ["messages"]):
        changes = {"optional": optional}
        refused("not a dialogue", DIALOGUE, {"messages": messages}, "instruction", **changes)


def test_turns_may_come_from_flat_fields() -> None:
    turns = [{"role": "user", "field": "prompt"}, {"role": "assistant", "field": "response"}]
    found = item({"messages": turns}, {"prompt": "Hi", "response": "Yes"}, "instruction")
    assert found.messages == [turn("user", "Hi"), turn("assistant", "Yes")]


@pytest.mark.parametrize("key", ["id_field", "context_field"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_an_empty_id_is_refused(key: str, value: Any) -> None:
    row = {**PAIR_ROW, "name": value}
    assert refused("has no id", PAIR, row, "classification", **{key: "name"}).key == "name"


def test_an_item_without_an_id_is_named_by_its_content() -> None:
    same = item(PAIR, {**PAIR_ROW, "idx": 7}, "classification")
    assert same == item(PAIR, PAIR_ROW, "classification")
    assert same.item != item(PAIR, {**PAIR_ROW, "label": 0}, "classification").item
    assert item(PAIR, PAIR_ROW, "classification", id_field="idx").item == "0"


# --- what is missing, unseen or not read ---------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["\u200b", " \ufeff\u200d ", "\u00ad\u2060", "\u202e", "\x00", None]
)
def test_a_text_that_is_not_seen_is_no_text(text: str | None) -> None:
    refused("has no text", PAIR, {**PAIR_ROW, "sentence1": text}, "classification")
    choices = {"text": ["leaf", text, "petal"], "label": ["A", "B", "C"]}
    refused("has no text", CHOICE, {**CHOICE_ROW, "choices": choices}, "multiple_choice")
    answers = {"fields": {"a": "sentence1"}, "gold": {"field": "label"}}
    refused("no label", answers, {**PAIR_ROW, "label": [text]}, "generation")
    refused("has no text", answers, {**PAIR_ROW, "label": ["wet", text]}, "generation")
    dialogue = [turn("user", "Hello ."), turn("assistant", text)]
    empty = "is not a dialogue" if text is None else "has an empty message"
    refused(empty, DIALOGUE, {"messages": dialogue}, "instruction")


@pytest.mark.parametrize("labels", [["A", "B"], ["A", "B", "C", "D"], ["A", "B", "B"]])
def test_options_have_as_many_names_as_there_are(labels: list[str]) -> None:
    choices = {"text": ["leaf", "root", "petal"], "label": labels}
    refused("3 options", CHOICE, {**CHOICE_ROW, "choices": choices}, "multiple_choice")


@pytest.mark.parametrize(
    ("within", "next_to"),
    [
        ({"tool_calls": [{"type": "function"}]}, {}),
        ({"weight": 0}, {}),
        ({"name": "Ada"}, {}),
        ({}, {"tools": [{"type": "function"}]}),
        ({}, {"images": ["a.png"]}),
        ({"function_call": {"name": "look_up"}}, {}),
        ({"train": False}, {}),
        ({"loss": 0}, {}),
        ({"reasoning_content": "I think ."}, {}),
        ({}, {"system": "Answer in verse ."}),
        ({}, {"weight": 0.0}),
        ({}, {"tool_choice": "none"}),
    ],
)
def test_what_a_dialogue_says_beyond_its_text_is_not_dropped_in_silence(
    within: dict[str, Any], next_to: dict[str, Any]
) -> None:
    messages = [turn("user", "Hello ."), {**turn("assistant", "Hi ."), **within}]
    row = {"messages": messages, **next_to}
    (key,) = {**within, **next_to}
    refused(f"has '{key}', which is not read", DIALOGUE, row, "instruction")
    kept = item(DIALOGUE, row, "instruction", ignored=[key])
    assert kept.messages == [turn("user", "Hello ."), turn("assistant", "Hi .")]
    nothing = [turn("user", "Hello ."), {**turn("assistant", "Hi ."), "tool_calls": None}]
    assert item(DIALOGUE, {"messages": nothing, "tools": []}, "instruction") == kept


# --- types --------------------------------------------------------------------------------------

NUMBERS = [(1.0, "a number with decimals"), (0.1, "decimals"), (True, "a truth value")]


@pytest.mark.parametrize(("value", "what"), NUMBERS)
def test_what_formats_write_in_several_ways_is_no_text(value: Any, what: str) -> None:
    refused(what, PAIR, {**PAIR_ROW, "sentence1": value}, "classification")
    refused(what, PAIR, {**PAIR_ROW, "idx": value}, "classification", id_field="idx")
    refused(what, PAIR, {**PAIR_ROW, "idx": value}, "classification", context_field="idx")
    refused(what, SOCIAL, {**SOCIAL_ROW, "question": value}, "generation")
    choices = {"text": ["leaf", value], "label": ["A", "B"]}
    refused(what, CHOICE, {**CHOICE_ROW, "choices": choices}, "multiple_choice")
    assert item(PAIR, {**PAIR_ROW, "sentence1": 12}, "classification").fields["a"] == "12"


@pytest.mark.parametrize("value", [{"text": "x"}, [["x"]], [1], [None], ["x", None], b"x"])
def test_lists_and_mappings_are_no_text(value: Any) -> None:
    refused("no text", PAIR, {**PAIR_ROW, "sentence1": value}, "classification")
    refused("no text", SOCIAL, {**SOCIAL_ROW, "question": [value]}, "generation")
    refused("no id", PAIR, {**PAIR_ROW, "idx": value}, "classification", id_field="idx")
    choices = {"text": ["leaf", value], "label": ["A", "B"]}
    refused("no text", CHOICE, {**CHOICE_ROW, "choices": choices}, "multiple_choice")


@pytest.mark.parametrize("references", [["Who?", ""], ["", "Who?"], ["Who?", None], [["Who?"]]])
def test_each_of_several_references_is_a_text(references: Any) -> None:
    refused("no text", SOCIAL, {**SOCIAL_ROW, "question": references}, "generation")


@pytest.mark.parametrize("label", [1.0, True, "1.0", "true", " 1", [1], ["1"], {"1": 1}, "\u0661"])
def test_a_label_is_the_value_that_is_listed(label: Any) -> None:
    refused("not in labels", PAIR, {**PAIR_ROW, "label": label}, "classification")
    for same in (1, "1"):
        assert item(PAIR, {**PAIR_ROW, "label": same}, "classification").gold == ["yes"]


def test_a_missing_label_is_not_the_label_none() -> None:
    gold = {"field": "label", "labels": {"None": "neither", "1": "one"}}
    refused("'no label'", PAIR, {**PAIR_ROW, "label": None}, "classification", gold=gold)
    found = item(PAIR, {**PAIR_ROW, "label": "None"}, "classification", gold=gold)
    assert found.gold == ["neither"]
    positions = {"text": ["leaf", "root"], "label": [None, "B"]}
    row = {**CHOICE_ROW, "choices": positions, "answerKey": None}
    refused("not as many names", CHOICE, row, "multiple_choice")


@pytest.mark.parametrize("labels", ["ABC", 3, {"A": 1, "B": 2, "C": 3}, None, [["A"], "B", "C"]])
def test_the_names_of_options_are_a_list(labels: Any) -> None:
    choices = {"text": ["leaf", "root", "petal"], "label": labels}
    refused("not as many names", CHOICE, {**CHOICE_ROW, "choices": choices}, "multiple_choice")


def test_a_right_option_in_another_unicode_form_is_the_same() -> None:
    choices = {"text": ["caf\u00e9", "cafe\u0301"], "label": ["A", "B"]}
    refused("same option twice", CHOICE, {**CHOICE_ROW, "choices": choices}, "multiple_choice")


@pytest.mark.parametrize(
    ("lowest", "score", "expected"),
    [
        (-3.0, -1, "no"),
        (-3.0, -1.0, "no"),
        (-3.0, "-1", "no"),
        (-3.0, 4, "yes"),
        (-3.0, -4, "below the lowest"),
        (0.0, -1, "below the lowest"),
        (None, -2, "no"),
        (None, "-1.00", "'no label'"),
        (None, True, "no score"),
        (None, "1_0", "no score"),
        (None, "\u0665", "no score"),
        (-3.0, "nan", "no score"),
        (-3.0, None, "'no label'"),
    ],
)
def test_minus_one_is_a_score_on_a_scale_that_has_it(
    lowest: float | None, score: Any, expected: str
) -> None:
    threshold = {"above": 3.5, "yes": "yes", "no": "no", "lowest": lowest}
    changes: dict[str, Any] = {"gold": {"field": "label", "threshold": threshold}}
    row = {**PAIR_ROW, "label": score}
    if expected in ("yes", "no"):
        assert item(PAIR, row, "classification", **changes).gold == [expected]
    else:
        refused(expected, PAIR, row, "classification", **changes)


def test_a_fields_own_braces_fill_nothing() -> None:
    row = {**SOCIAL_ROW, "label": "{context}"}
    refused("lacks a field", SOCIAL, row, "generation")
    row = {**PAIR_ROW, "sentence1": "{sentence2} {0} {a.__class__}"}
    compose = {"compose": {"both": "{sentence1}!"}, "fields": {"a": "both"}}
    shown = item(PAIR, row, "classification", **compose).fields["a"]
    assert shown == "{sentence2} {0} {a.__class__}!"


def test_a_pattern_that_never_ends_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_rows, "CLEANING", 0.05)
    clean = [{"pattern": "b", "replacement": "c"}, {"pattern": "(a+)+$", "replacement": ""}]
    row = {**PAIR_ROW, "sentence1": "a" * 60 + "!"}
    error = refused("searched for more than", PAIR, row, "classification", clean=clean)
    assert (error.key, error.value) == ("clean.1.pattern", "(a+)+$")
    assert str(error).startswith("row 1 of evaluation ")
