"""Training examples: what the loss counts, and what is cut."""

import pytest
from tiny import pair, tiny_encoder

from tuning_dynamics.data.items import Item
from tuning_dynamics.engine.loop import IGNORED
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.tune.examples import encode_example

TEMPLATE = "### Input_1: {a}\n### Input_2: {b}\n### Inference:"


def counted(example) -> list[int]:
    return [target for target in example.targets if target != IGNORED]


def test_the_loss_counts_the_completion_and_end_of_text_only() -> None:
    encoder = tiny_encoder()
    example = encode_example(pair(1), TEMPLATE, encoder, 256)
    assert counted(example) == [*encoder.ids(" neutral"), encoder.eos]
    assert len(example.ids) == len(example.targets)
    assert not example.truncated


def test_a_long_field_loses_its_end_and_the_answer_stays() -> None:
    encoder = tiny_encoder()
    whole = encode_example(pair(1, words=200), TEMPLATE, encoder, 4096)
    cut = encode_example(pair(1, words=200), TEMPLATE, encoder, 64)
    assert cut.truncated
    assert not whole.truncated
    assert len(cut.ids) <= 64 < len(whole.ids)
    assert counted(cut) == counted(whole)
    assert "### Inference:" in encoder.decode(cut.ids)


def test_an_item_that_cannot_be_cut_enough_is_refused() -> None:
    with pytest.raises(StudyError, match="does not fit"):
        encode_example(pair(1), TEMPLATE, tiny_encoder(), 8)


def dialogue(*turns: tuple[str, str]) -> Item:
    messages = [{"role": role, "content": content} for role, content in turns]
    return Item("1", "train", "1", {}, messages=messages)


def test_dialogues_learn_every_turn_of_the_assistant() -> None:
    encoder = tiny_encoder()
    item = dialogue(
        ("user", "Tom works."), ("assistant", "yes"), ("user", "no"), ("assistant", "no")
    )
    example = encode_example(item, None, encoder, 256)
    assert counted(example) == [*encoder.ids("yes"), encoder.eos, *encoder.ids("no"), encoder.eos]


def test_a_dialogue_cut_before_its_answer_learns_nothing() -> None:
    item = dialogue(("user", "Tom works. " * 50), ("assistant", "yes"))
    example = encode_example(item, None, tiny_encoder(), 32)
    assert example.truncated
    assert not example.learns
