"""Items to training sequences: token ids, and which of them the loss counts."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from operator import itemgetter

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.prompts import Segment, completion, render
from tuning_dynamics.data.token_store import Tokens
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.data.truncation import cut_longest


def completions(
    items: list[Item], template: str, encoder: Encoder, max_length: int
) -> list[Tokens]:
    """Items as prompt and completion; the completion and end-of-text count.

    StudyError if a prompt and completion cannot be cut to `max_length` tokens.
    """
    quoted = encoder.special.quoted
    prompts = [render(template, encoder.special.all_quoted(item.fields)) for item in items]
    answers = [completion(quoted(item.target)) for item in items]
    wholes = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    # As in evaluation: white space at the end of a prompt belongs to its answer.
    starts = encoder.all_ids([prompt.rstrip() for prompt in prompts])
    return [
        _completion(item, template, whole, len(start), encoder, max_length)
        for item, start, whole in zip(items, starts, encoder.all_ids(wholes), strict=True)
    ]


def _completion(
    item: Item, template: str, whole: list[int], length: int, encoder: Encoder, max_length: int
) -> Tokens:
    """The sequence of an item whose `whole` text has a prompt of `length` tokens."""
    continuation = whole[length:]
    if not continuation:
        raise StudyError(
            f"no token begins where an answer does, in item {item.item}",
            key="formats",
            value=template,
            fix="end the format in another character",
        )
    prompt, ending = [*encoder.beginning, *whole[:length]], [*continuation, encoder.eos]
    room = max_length + 1 - len(ending)
    too_long = len(prompt) > room
    if too_long:
        prompt = fit_prompt(item, template, encoder, room)
    ids = prompt + ending
    return Tokens(item.item, ids, [(len(prompt), len(ids))], too_long)


def fit_prompt(item: Item, template: str, encoder: Encoder, room: int) -> list[int]:
    """Prompt ids of at most `room` tokens: the longest field loses its end."""

    def excess(fields: dict[str, str]) -> int:
        return len(encoder.prompt(render(template, encoder.special.all_quoted(fields)))) - room

    fields = cut_longest(item.fields, template, encoder, excess)
    if fields is None:
        length = len(encoder.prompt(render(template, encoder.special.all_quoted(item.fields))))
        raise StudyError(
            f"item {item.item} does not fit: its prompt has {length} tokens, room is {room}",
            file=f"items with the split {item.split}",
            key="tune.max_length",
            value=room,
            fix="raise tune.max_length, shorten the format, or `drop` the row",
        )
    return encoder.prompt(render(template, encoder.special.all_quoted(fields)))


def dialogues(
    items: list[Item],
    layout: Callable[[list[dict[str, str]]], list[Segment]],
    encoder: Encoder,
    max_length: int,
) -> list[Tokens]:
    """Items as dialogues, laid out as segments of text; those that are too long lose their end."""
    quoted = encoder.special.quoted
    laid_out = [
        layout([{**turn, "content": quoted(turn["content"])} for turn in item.messages])
        for item in items
    ]
    texts = [segment.text for segments in laid_out for segment in segments]
    encoded = iter(encoder.all_ids_and_places(texts))
    return [
        _dialogue(item.item, [(s, *next(encoded)) for s in segments], encoder, max_length)
        for item, segments in zip(items, laid_out, strict=True)
    ]


def _dialogue(
    item: str,
    segments: list[tuple[Segment, list[int], list[tuple[int, int]]]],
    encoder: Encoder,
    max_length: int,
) -> Tokens:
    """The segments of one dialogue, joined, each with its ids and their characters."""
    beginning = list(encoder.beginning)
    # A template may write the beginning-of-text token itself; there must not be two.
    written = segments[0][1][: len(beginning)] == beginning
    ids: list[int] = [] if written else beginning
    counted: list[tuple[int, int]] = []
    for segment, segment_ids, places in segments:
        for start, end in segment.counted:
            # A token counts if any of its characters does: the space before an answer may share
            # its token, though a chat template may write it before the answer begins.
            first = bisect_right(places, start, key=itemgetter(1))
            last = bisect_left(places, end, key=itemgetter(0))
            counted.append((len(ids) + first, len(ids) + last + segment.ends))
        ids += segment_ids + ([encoder.eos] if segment.ends else [])
    return _cut(item, ids, counted, max_length + 1)


def _cut(item: str, ids: list[int], counted: list[tuple[int, int]], longest: int) -> Tokens:
    kept = [(start, min(end, longest)) for start, end in counted if start < min(end, longest)]
    return Tokens(item, ids[:longest], kept, len(ids) > longest)
