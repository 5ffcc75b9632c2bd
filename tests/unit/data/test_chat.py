"""Chat templates: which characters count, and templates that cannot be used."""

from pathlib import Path

import pytest
from tiny import tiny_encoder
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from tuning_dynamics.common.errors import StudyError
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


def folder_with(folder: Path, template: str | None) -> Path:
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
    (found,) = dialogues([item], chat_layout(folder), tokens, 256)
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
        chat_layout(folder_with(tmp_path, None))
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
    (segment,) = chat_layout(folder)(TALK)
    assert segment.text.startswith("26 Jul 2024\n")


def test_a_template_in_a_file_of_its_own_is_found(folder: Path) -> None:
    assert (folder / "chat_template.jinja").is_file()
