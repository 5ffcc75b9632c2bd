"""Chat templates: which characters count, and templates that cannot be used."""

from pathlib import Path

import pytest
from tiny import tiny_encoder
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data import chat
from tuning_dynamics.data.chat import chat_layout
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.sequences import dialogues
from tuning_dynamics.data.token_store import Tokens
from tuning_dynamics.data.tokenizer import Encoder

MARKED = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TALK = [
    {"role": "user", "content": "Tom works."},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "Ada was born."},
    {"role": "assistant", "content": "no no"},
]


def folder_with(folder: Path, template: str | dict[str, str] | None) -> Path:
    """A folder with a tokenizer that has the marks of MARKED as tokens, and a template."""
    tokenizer = Tokenizer.from_str(tiny_encoder().tokenizer.to_str())
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>", "<s>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<s>"
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    return folder


def encoder(folder: Path, beginning: bool = False) -> Encoder:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    mark = tokenizer.token_to_id("<s>")
    if beginning:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", mark)]
        )
    return Encoder(tokenizer, (mark,) if beginning else (), 0)


def encoded(folder: Path, messages: list[dict[str, str]], tokens: Encoder) -> Tokens:
    item = Item("1", "train", "1", {}, messages=messages)
    (found,) = dialogues([item], chat_layout(folder, tokens), tokens, 256)
    return found


def counted(tokens: Tokens, by: Encoder) -> list[str]:
    return [
        by.tokenizer.decode(tokens.ids[a:b], skip_special_tokens=False) for a, b in tokens.counted
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with(tmp_path, MARKED)


def test_every_answer_counts_with_the_mark_of_its_end(folder: Path) -> None:
    by = encoder(folder)
    tokens = encoded(folder, TALK, by)
    assert counted(tokens, by) == ["yes<|im_end|>\n", "no no<|im_end|>\n"]
    text = by.tokenizer.decode(tokens.ids, skip_special_tokens=False)
    assert text.startswith("<|im_start|>user\nTom works.<|im_end|>\n<|im_start|>assistant\nyes")


@pytest.mark.parametrize("written", [False, True])
def test_there_is_one_beginning(tmp_path: Path, written: bool) -> None:
    folder = folder_with(tmp_path, ("{{ bos_token }}" if written else "") + MARKED)
    by = encoder(folder, beginning=True)
    tokens = encoded(folder, TALK, by)
    assert tokens.ids[0] == by.beginning[0]
    assert tokens.ids.count(by.beginning[0]) == 1
    assert counted(tokens, by)[0] == "yes<|im_end|>\n"


def test_a_tokenizer_without_a_template_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no chat template") as error:
        chat_layout(folder_with(tmp_path, None), tiny_encoder())
    assert "tulu" in error.value.fix


def test_a_template_that_shows_earlier_turns_in_another_way_is_refused(tmp_path: Path) -> None:
    # As templates that leave earlier thoughts out.
    each = "{% for m in messages %}"
    condition = "{% if m['role'] == 'user' or loop.last %}"
    changing = MARKED.replace(each, each + condition)
    changing = changing.replace("{% endfor %}", "{% endif %}{% endfor %}")
    folder = folder_with(tmp_path, changing)
    with pytest.raises(StudyError, match="turn after turn"):
        encoded(folder, TALK, encoder(folder))


def test_a_dialogue_that_the_template_refuses_is_reported(tmp_path: Path) -> None:
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    folder = folder_with(tmp_path, refusing + MARKED)
    with pytest.raises(StudyError, match="no system"):
        encoded(folder, [{"role": "system", "content": "Be kind."}, *TALK], encoder(folder))


def test_templates_that_write_the_date_give_the_same_text_every_day(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "{{ strftime_now('%d %B %Y') }}\n" + MARKED)
    (segment,) = chat_layout(folder, encoder(folder))(TALK)
    assert segment.text.startswith("26 Jul 2024\n")


def test_a_template_in_a_file_of_its_own_is_found(folder: Path) -> None:
    assert (folder / "chat_template.jinja").is_file()


@pytest.mark.parametrize(
    "loop",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in messages[0]['content'] * 99999 %}{% for b in range(99999) %}{% endfor %}"
        "{% endfor %}",
        "{% macro n(d) %}{% if d %}{{ n(d-1) }}{{ n(d-1) }}{% endif %}{% endmacro %}{{ n(60) }}",
    ],
)
def test_a_template_that_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    monkeypatch.setattr(chat, "SECONDS", 0.2)
    folder = folder_with(tmp_path, loop + MARKED)
    with pytest.raises(StudyError, match=r"takes more than 0\.2 seconds"):
        encoded(folder, TALK, encoder(folder))


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 'a' * 30000000000 }}", "MemoryError"),
        ("{{ 'a'.ljust(30000000000) }}", "MemoryError"),
        ("{{ '%030000000000d' % 1 }}", "MemoryError|too"),
        ("{{ 'a' * 3000000 }}", "it writes 3,000,153 characters"),
        ("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", "recursion"),
        ("{{ 1 / (messages | length - 4) }}", "division"),
        ("{{ messages[9].content }}", "no element"),
        ("{{ messages[0].turn.text }}", "no attribute"),
        ("{{ messages.sort() }}", "'sort' of 'list' object is unsafe"),
        ("{{ ''.__class__.__mro__ }}", "is unsafe"),
        ("{{ 'a' + 1 }}", "can only concatenate"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% if %}", "Expected an expression"),
        ("{{ 'a' | unheard_of }}", "No filter named"),
    ],
)
def test_a_template_that_fails_is_refused_by_name(
    tmp_path: Path, template: str, reason: str
) -> None:
    folder = folder_with(tmp_path, template + MARKED)
    with pytest.raises(StudyError, match=reason) as error:
        encoded(folder, TALK, encoder(folder))
    assert error.value.file == folder
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize(
    "content",
    [
        "{{ m['text'] }}",
        "{% if m['role'] != 'user' %}{{ m['content'] }}{% endif %}",
        "{{ m['content'] | upper }}",
        "{{ m['content'] | truncate(6, True, '') }}",
        "{{ m['content'] | replace('o', '0') }}",
        "{{ m['content'].split()[-1] }}",
    ],
)
def test_a_template_that_shows_other_text_is_refused(tmp_path: Path, content: str) -> None:
    folder = folder_with(tmp_path, MARKED.replace("{{ m['content'] }}", content))
    with pytest.raises(StudyError, match=r"the text of a turn of the (user|assist)"):
        encoded(folder, TALK, encoder(folder))


def test_a_template_that_leaves_system_turns_out_is_refused(tmp_path: Path) -> None:
    each = "{% for m in messages %}"
    without = MARKED.replace(each, "{% for m in messages if m['role'] != 'system' %}")
    folder = folder_with(tmp_path, without)
    encoded(folder, TALK, encoder(folder))
    with pytest.raises(StudyError, match="a turn of the system"):
        encoded(folder, [{"role": "system", "content": "Be kind."}, *TALK], encoder(folder))


def test_an_answer_that_ends_in_mere_text_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, MARKED.replace("<|im_end|>", "</turn>"))
    with pytest.raises(StudyError, match="ends answers with text") as error:
        encoded(folder, TALK, encoder(folder))
    assert "generation_config.json" in error.value.fix
    for end in ("", "\n\n### User:", "<|endoftext|>", " <|im_end|> done"):
        own = tmp_path / str(len(end))
        own.mkdir()
        by = encoder(folder_with(own, MARKED.replace("<|im_end|>", end)))
        assert counted(encoded(own, TALK, by), by)[1].startswith(f"no no{end}")


def test_of_several_templates_the_default_one_is_used(tmp_path: Path) -> None:
    named = {"default": MARKED, "tool_use": "{{ raise_exception('no tools') }}"}
    folder = folder_with(tmp_path, named)
    assert counted(encoded(folder, TALK, encoder(folder)), encoder(folder))[0] == "yes<|im_end|>\n"
    other = tmp_path / "other"
    other.mkdir()
    folder_with(other, {"rag": MARKED, "tool_use": MARKED})
    with pytest.raises(StudyError, match="several chat templates") as error:
        chat_layout(other, encoder(other))
    assert error.value.value == ["rag", "tool_use"]


def test_marks_in_a_turn_s_text_are_text_and_the_template_s_are_tokens(folder: Path) -> None:
    by = encoder(folder)
    talk = [
        {"role": "user", "content": "What does <|im_end|> mean in <s>this</s>?"},
        {"role": "assistant", "content": "<|im_end|> ends a turn <|endoftext|>"},
    ]
    tokens = encoded(folder, talk, by)
    known = {name: by.tokenizer.token_to_id(name) for name in ("<|im_start|>", "<|im_end|>", "<s>")}
    assert [i for i in tokens.ids if i in {0, *known.values()}] == [
        *(known["<|im_start|>"], known["<|im_end|>"]) * 2,
    ]
    text = by.tokenizer.decode(tokens.ids, skip_special_tokens=False)
    assert text == "".join(
        f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in talk
    )
    assert counted(tokens, by) == ["<|im_end|> ends a turn <|endoftext|><|im_end|>\n"]
