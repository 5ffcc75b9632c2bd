"""From an item to text: templates, demonstrations, dialogues. No tokens here."""

import string
from collections.abc import Iterable

from tuning_dynamics.study.errors import StudyError

#: Between demonstrations, and between them and the item's own prompt.
SEPARATOR = "\n\n"


def template_fields(template: str) -> list[str]:
    """Names of a template's {fields}; ValueError where its braces don't match."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def render(template: str, fields: dict[str, str]) -> str:
    """Fill a template's {fields}; StudyError for a field that the item lacks."""
    missing = [name for name in template_fields(template) if name not in fields]
    if missing:
        raise StudyError(
            f"a prompt format uses fields that the dataset does not give: {', '.join(missing)}",
            key="formats",
            value=template,
            fix=f"the dataset gives {', '.join(fields) or 'none'}; add it or mend the format",
        )
    return template.format_map(fields)


def completion(target: str) -> str:
    """A target as it continues a prompt: after one space."""
    return f" {target}"


def few_shot(demonstrations: Iterable[tuple[str, str]], prompt: str) -> str:
    """(prompt, target) demonstrations, then the item's own prompt, blank lines between."""
    shown = [shown_prompt + completion(target) for shown_prompt, target in demonstrations]
    return SEPARATOR.join([*shown, prompt])


def dialogue(messages: list[dict[str, str]]) -> list[tuple[str, bool]]:
    """A dialogue as text pieces, each with whether the loss counts it.

    The TÜLU layout: `<|role|>`, a line break, the content. An assistant's turn counts (its
    content, not its header); the caller ends each counted piece with end-of-text.
    """
    pieces: list[tuple[str, bool]] = []
    for number, message in enumerate(messages):
        lead = "\n" if number else ""
        if message["role"] == "assistant":
            pieces.append((f"{lead}<|assistant|>\n", False))
            pieces.append((message["content"], True))
        else:
            pieces.append((f"{lead}<|{message['role']}|>\n{message['content']}", False))
    return pieces
