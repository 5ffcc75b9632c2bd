"""Dialogues in the layout of a tokenizer's own chat template."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.data.prompts import Segment

Messages = list[dict[str, str]]

#: Put before a template, so that a template that writes today's date always writes this one.
SAME_DAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro %}\n"


def chat_layout(folder: Path) -> Callable[[Messages], list[Segment]]:
    """The layout of dialogues by the chat template of a checkpoint's tokenizer.

    StudyError if the folder's tokenizer has none, and, from the layout, for a dialogue that the
    template refuses or does not render turn after turn.
    """
    tokenizer = _tokenizer(folder)
    template = SAME_DAY + tokenizer.get_chat_template()

    def render(messages: Messages, prompt: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=prompt,
            chat_template=template,
        )
        return text

    return lambda messages: [_segment(messages, render, folder)]


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"the checkpoint's tokenizer cannot be loaded ({' '.join(str(error).split())})",
            file=folder,
            key="tokenizer_config.json",
            fix="save one with AutoTokenizer.from_pretrained(…).save_pretrained(folder), or set "
            "data.dialogue of the recipe's stage to tulu",
        ) from None
    if not tokenizer.chat_template:
        raise StudyError(
            "the checkpoint's tokenizer has no chat template",
            file=folder,
            key="chat_template",
            fix="set data.dialogue of the recipe's stage to tulu, or add chat_template.jinja to "
            "the checkpoint's folder",
        )
    return tokenizer


def _segment(messages: Messages, render: Callable[[Messages, bool], str], folder: Path) -> Segment:
    """A whole dialogue as one text; an assistant's turn counts from where the template prompts it
    to the end of the turn, with the markers of that end."""
    from jinja2 import TemplateError

    try:
        whole = render(messages, False)
        turns = [
            (render(messages[:number], True), render(messages[: number + 1], False))
            for number, message in enumerate(messages)
            if message["role"] == "assistant"
        ]
    except (TemplateError, ValueError, TypeError) as error:
        raise _unfit(f"the chat template refuses a dialogue ({error})", messages, folder) from None
    for before, after in turns:
        if not (after.startswith(before) and whole.startswith(after)):
            what = "the chat template does not render a dialogue turn after turn"
            raise _unfit(what, messages, folder)
    return Segment(whole, tuple((len(before), len(after)) for before, after in turns), False)


def _unfit(what: str, messages: Messages, folder: Path) -> StudyError:
    return StudyError(
        what,
        file=folder,
        key="chat_template",
        value=[message["role"] for message in messages],
        fix="set data.dialogue of the recipe's stage to tulu, or leave such dialogues out",
    )
