"""Training examples: token ids and which of them the loss counts."""

from dataclasses import dataclass

from tuning_dynamics.data.encode import Encoder
from tuning_dynamics.data.fit import cut_longest
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.prompts import completion, dialogue, render
from tuning_dynamics.engine.loop import IGNORED
from tuning_dynamics.study.errors import StudyError


@dataclass(frozen=True)
class Example:
    """One sequence: `targets[t]` is what position t must predict, or IGNORED.

    `truncated` says that it was cut to the longest length.
    """

    ids: list[int]
    targets: list[int]
    truncated: bool

    @property
    def learns(self) -> bool:
        """Whether the loss counts anything of it: a dialogue cut before its answer has none."""
        return any(target != IGNORED for target in self.targets)


def encode_example(item: Item, template: str | None, encoder: Encoder, max_length: int) -> Example:
    """An item as prompt and completion, or (without a template) as a dialogue.

    StudyError where a prompt and completion cannot be cut to `max_length` tokens.
    """
    if template is None:
        ids, counted = _dialogue_tokens(item, encoder)
        return _example(ids[: max_length + 1], counted[: max_length + 1], len(ids), max_length)
    ending = [*encoder.continuation(render(template, item.fields), completion(item.target))]
    ending.append(encoder.eos)
    prompt, cut = fit_prompt(item, template, encoder, max_length + 1 - len(ending))
    counted = [False] * len(prompt) + [True] * len(ending)
    length = len(prompt) + len(ending) + cut
    return _example(prompt + ending, counted, length, max_length)


def fit_prompt(item: Item, template: str, encoder: Encoder, room: int) -> tuple[list[int], int]:
    """(prompt ids of at most `room` tokens, tokens cut): the longest field loses its end."""

    def excess(fields: dict[str, str]) -> int:
        return len(encoder.prompt(render(template, fields))) - room

    fields = cut_longest(item.fields, template, encoder, excess)
    length = len(encoder.prompt(render(template, item.fields)))
    if fields is None:
        raise StudyError(
            f"item {item.item} does not fit: its prompt has {length} tokens, room is {room}",
            file=f"items with the split {item.split}",
            key="tune.max_length",
            value=room,
            fix="raise tune.max_length, shorten the format, or `drop` the row",
        )
    ids = encoder.prompt(render(template, fields))
    return ids, length - len(ids)


def _dialogue_tokens(item: Item, encoder: Encoder) -> tuple[list[int], list[bool]]:
    ids, counted = list(encoder.beginning), [False] * len(encoder.beginning)
    for text, counts in dialogue(item.messages):
        piece = encoder.ids(text) + ([encoder.eos] if counts else [])
        ids += piece
        counted += [counts] * len(piece)
    return ids, counted


def _example(ids: list[int], counted: list[bool], length: int, max_length: int) -> Example:
    targets = [
        token if counts else IGNORED for token, counts in zip(ids[1:], counted[1:], strict=True)
    ]
    return Example(ids[:-1], targets, truncated=length > max_length + 1)
