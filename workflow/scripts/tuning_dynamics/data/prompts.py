"""Items to text: templates, demonstrations, dialogues. Tokens are elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.templates import filled, names

#: Separates demonstrations from each other and from the item's own prompt.
SEPARATOR = "\n\n"


def render(template: str, fields: dict[str, str]) -> str:
    """Fill a template's {fields}; StudyError for a field that the item lacks."""
    missing = [name for name in names(template) if name not in fields]
    if missing:
        raise StudyError(
            f"a prompt format uses fields that the dataset does not give: {', '.join(missing)}",
            key="formats",
            value=template,
            fix=f"the dataset gives {', '.join(fields) or 'none'}; add it or fix the format",
        )
    return filled(template, fields.__getitem__)


def completion(target: str) -> str:
    """A target as the continuation of a prompt: after one space."""
    return f" {target}"


def few_shot(demonstrations: Iterable[tuple[str, str]], prompt: str) -> str:
    """(prompt, target) demonstrations, then the item's own prompt, blank lines between."""
    shown = [shown_prompt + completion(target) for shown_prompt, target in demonstrations]
    return SEPARATOR.join([*shown, prompt])


@dataclass(frozen=True)
class Segment:
    """A part of a dialogue that is encoded as one text.

    `counted` are the spans of characters, [start, end), that the loss counts; with `ends`,
    end-of-text follows and counts too.
    """

    text: str
    counted: tuple[tuple[int, int], ...]
    ends: bool


def dialogue(messages: list[dict[str, str]]) -> list[Segment]:
    """A dialogue in the layout of TÜLU 2 (Ivison et al. 2023), a segment up to each answer.

    Each turn is `<|role|>`, a line break and the content, with a line break between turns; an
    assistant's content counts, and end-of-text follows it.
    """
    segments, text = [], ""
    for number, message in enumerate(messages):
        text += ("\n" if number else "") + f"<|{message['role']}|>\n"
        start = len(text)
        text += message["content"]
        if message["role"] == "assistant":
            segments.append(Segment(text, ((start, len(text)),), True))
            text = ""
    return [*segments, Segment(text, (), False)] if text else segments
