"""What an item's text spells stays text; what a template writes is a token; both as said."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizer_kinds import KINDS, SPECIAL, tokenizer_of
from tokenizers import AddedToken, Tokenizer

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.sequences import completions
from tuning_dynamics.data.tokenizer import Encoder, load_encoder

PLAIN = ("It was born in Redhill , yes .", "The price is 5\n\nno", "", " a  b ", "été — 東京 🙂")
SPELLING = (
    "see </s> and <s>this</s>",
    "</s>",
    "<|im_end|>\n<|im_start|>user",
    "a<|im_end|><|im_end|>b</s></s>",
    "The <unk> of <S> and </ s>",
)
BEFORE, AFTER = "<|im_start|>user\nIt was ", "<|im_end|>\n<|im_start|>yes"
#: Kinds whose own model makes special tokens from text.
MAKING = ("unigram",)


def encoder_of(kind: str) -> Encoder:
    """The encoder of a kind of tokenizer; texts end with `</s>`."""
    return Encoder(tokenizer_of(kind), (), SPECIAL.index("</s>"))


def as_the_library(tokenizer: Tokenizer, text: str, *, spelled: bool = False) -> list[int]:
    """A text's ids by tokenizers alone, with special tokens as text or not."""
    own = Tokenizer.from_str(tokenizer.to_str())
    own.encode_special_tokens = spelled
    found: list[int] = own.encode(text, add_special_tokens=False).ids
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_texts_without_special_tokens_are_encoded_as_ever(kind: str) -> None:
    encoder = encoder_of(kind)
    for text in PLAIN:
        assert encoder.special.quoted(text) == text
        assert encoder.ids(text) == as_the_library(encoder.tokenizer, text)
        assert not encoder.special.spelled(text)
    assert encoder.all_ids(list(PLAIN)) == [encoder.ids(text) for text in PLAIN]


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_s_special_tokens_are_those_of_the_tokenizer(kind: str) -> None:
    encoder = encoder_of(kind)
    for text in (BEFORE + AFTER, "</s>", "<s> It was </s>", "yes <unk> no"):
        assert encoder.ids(text) == as_the_library(encoder.tokenizer, text)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in MAKING])
def test_what_an_item_spells_is_text(kind: str) -> None:
    encoder = encoder_of(kind)
    for text in SPELLING:
        quoted = encoder.special.quoted(text)
        assert quoted != text
        assert encoder.ids(quoted) == as_the_library(encoder.tokenizer, text, spelled=True)
        assert encoder.special.marks.isdisjoint(encoder.ids(quoted))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in MAKING])
def test_around_a_spelled_token_a_text_is_encoded_as_ever(kind: str) -> None:
    """What is quoted by mistake changes nothing: the other paths agree with the library's."""
    encoder = encoder_of(kind)
    text = "the house in Redhill."
    for name in ("Redhill", "in", "e", " ", "the"):
        quoted = text.replace(name, encoder.special.quoted("</s>").replace("</s>", name))
        found, _ = encoder.special.read(BEFORE + quoted + AFTER)
        assert found == as_the_library(encoder.tokenizer, BEFORE + text + AFTER)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in MAKING])
def test_each_token_has_its_place_in_a_text_with_quotes(kind: str) -> None:
    encoder = encoder_of(kind)
    text = BEFORE + encoder.special.quoted("</s> and <|im_end|>") + AFTER
    ((ids, places),) = encoder.all_ids_and_places([text])
    written = as_the_library(encoder.tokenizer, f"{BEFORE}it.{AFTER}")
    assert [i for i in ids if i in encoder.special.marks] == [
        i for i in written if i in encoder.special.marks
    ]
    assert places[-1][1] == len(text)
    assert all(a <= b for a, b in places)
    assert places == sorted(places)


@pytest.mark.parametrize("text", ["see </s>", "\uff1c/s\uff1e", "<|im_end|>yes"])
def test_a_tokenizer_that_makes_them_from_text_refuses_the_text(text: str) -> None:
    encoder = encoder_of("unigram")
    assert encoder.ids("</s>") == [encoder.eos] or encoder.eos in encoder.ids("</s>")
    with pytest.raises(StudyError, match="makes a special token of an item's text") as error:
        encoder.ids(encoder.special.quoted(text))
    assert text[-3:] in str(error.value.value)
    assert "`clean`" in error.value.fix


def test_a_text_with_the_mark_of_quotes_is_refused() -> None:
    with pytest.raises(StudyError, match=r"U\+FDD0"):
        encoder_of("byte_level").special.quoted("a \ufdd0 b")


@pytest.mark.parametrize("kind", ["byte_level", "sentencepiece, a first space"])
def test_training_writes_end_of_text_once_whatever_the_item_says(kind: str) -> None:
    encoder = encoder_of(kind)
    fields = {"a": "It is </s> 5 <|im_end|>", "b": "yes </s>"}
    item = Item("1", "train", "1", fields, ["no </s>"])
    template = "<|im_start|>{a} and {b}<|im_end|>"
    (tokens,) = completions([item], template, encoder, 200)
    marks = [i for i in tokens.ids if i in encoder.special.marks]
    names = [encoder.tokenizer.id_to_token(i) for i in marks]
    assert names == ["<|im_start|>", "<|im_end|>", "</s>"]
    assert tokens.ids[-1] == encoder.eos
    ((start, end),) = tokens.counted
    assert encoder.decode(tokens.ids[start:end]).strip() == "no </s>"
    # Cut within the text that spells a token, it is text still.
    (cut,) = completions([item], template, encoder, len(tokens.ids) - 4)
    assert cut.truncated
    assert [i for i in cut.ids if i in encoder.special.marks] == marks


@pytest.mark.parametrize("special", [True, False])
def test_an_end_of_text_that_is_not_marked_special_is_none_in_a_text(
    tmp_path: Path, special: bool
) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_of("byte_level").to_str())
    tokenizer.add_tokens([AddedToken("<|eot|>", special=special, normalized=False)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    end = tokenizer.token_to_id("<|eot|>")
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": [2, end]}))
    encoder = load_encoder(tmp_path)
    assert end in encoder.ids("yes<|eot|>")
    ids = encoder.ids(encoder.special.quoted("yes<|eot|> no"))
    assert end not in ids
    assert encoder.decode(ids) == "yes<|eot|> no"
    assert encoder.decode([*encoder.ids("yes"), end, *encoder.ids("no")]) == "yes no"


def test_white_space_is_no_special_token() -> None:
    tokenizer = Tokenizer.from_str(tokenizer_of("byte_level").to_str())
    tokenizer.add_special_tokens(["\n\n"])
    encoder = Encoder(tokenizer, (), 2)
    for text in ("a\n\nb", "\n\n"):
        assert encoder.ids(encoder.special.quoted(text)) == as_the_library(tokenizer, text)
    assert "\n\n" in encoder.decode(encoder.ids("a\n\nb"))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("byte_level", "yes no"),
        ("tiktoken_like", "yes no"),
        ("sentencepiece, spaces in each part", "yes no"),
        ("sentencepiece, no space", "yes no"),
        ("unigram", "yes no"),
        ("wordpiece", "yes no"),
    ],
)
def test_a_special_token_parts_words_and_is_not_shown(kind: str, shown: str) -> None:
    encoder = encoder_of(kind)
    yes, no = encoder.ids("yes"), encoder.ids("no")
    for name in ("<s>", "<|im_start|>", "<unk>"):
        special = encoder.tokenizer.token_to_id(name)
        assert encoder.decode([*yes, special, *no]) == shown
        assert encoder.decode([special, *yes, special]) == encoder.decode(yes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["It was born in Redhill.", "yes, no", "5 5"])
def test_decoding_gives_the_text_back(kind: str, text: str) -> None:
    encoder = encoder_of(kind)
    lower = text.lower() if kind == "wordpiece" else text
    if encoder.special.ids.isdisjoint(encoder.ids(text)):
        assert encoder.decode(encoder.ids(text)).strip() == lower.strip()


@pytest.mark.parametrize("named", ["</s>", {"content": "</s>", "lstrip": False}, "<|none|>"])
def test_the_tokenizer_s_own_end_of_text_ends_an_answer(tmp_path: Path, named: Any) -> None:
    tokenizer_of("byte_level").save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 7}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": named}))
    if named == "<|none|>":
        with pytest.raises(StudyError, match="end-of-text token that it does not have"):
            load_encoder(tmp_path)
    else:
        assert load_encoder(tmp_path).ends == {7, 2}
        assert load_encoder(tmp_path).eos == 7
