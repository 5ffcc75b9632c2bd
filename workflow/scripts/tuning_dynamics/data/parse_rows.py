"""Raw rows to checked items: composed fields, texts, gold, shuffled options, messages."""

import json
import math
import random
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from tuning_dynamics.common.atomic_files import text_digest
from tuning_dynamics.common.errors import StudyError, shorten
from tuning_dynamics.common.templates import filled
from tuning_dynamics.common.time_limit import OutOfTimeError, time_limit
from tuning_dynamics.common.words import WORDS_OF
from tuning_dynamics.config.dataset import Dataset, Gold, Kind, Threshold
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.sources import Row, look_up, text_of


class AmbiguousRowError(StudyError):
    """A multiple-choice row whose right option is also a wrong one."""


#: What hubs write in place of a withheld gold label.
NO_LABEL = ("-1", "-1.0", "None", "")
ROLES = ("system", "user", "assistant")
#: Fields next to a dialogue's turns that change what a model is shown, or how much it learns.
NEXT_TO_TURNS = (
    *("system", "system_prompt", "tools", "functions", "tool_choice", "tool_calls"),
    *("function_call", "documents", "image", "images", "video", "videos", "audio", "audios"),
    *("chat_template_kwargs", "weight", "weights", "loss", "loss_mask", "mask", "train"),
)
#: Seconds of computing in which a pattern of `clean` has found its matches in one text.
CLEANING = 20.0


def to_item(
    dataset: Dataset, kind: Kind, row: Row, split: str, where: str, file: str, seed: int
) -> Item:
    """The item of a raw row; StudyError names the row (`where`) and field that do not fit.

    Texts are cleaned by the dataset's `clean`, then each run of white space becomes one space
    and the ends are stripped; if the dataset is `verbatim`, white space stays, also at the ends.
    Contents of messages keep their line breaks, and lose white space at the ends unless the
    dataset is `verbatim`.
    """
    raw = _composed(_Raw(dataset, row, where, file))
    fields = {
        name: raw.field(path, may_be_empty=name in dataset.optional)
        for name, path in dataset.fields.items()
    }
    messages = _messages(raw) if kind == "instruction" else []
    options = _options(raw) if kind == "multiple_choice" else []
    gold = _gold(raw, kind, options)
    content = json.dumps([fields, gold, options, messages], sort_keys=True, ensure_ascii=False)
    item = raw.identity(dataset.id_field) if dataset.id_field else text_digest(content)
    context = raw.identity(dataset.context_field) if dataset.context_field else item
    # Seeded by item, so that the order does not depend on other rows.
    random.Random(f"{seed} options {item}").shuffle(options)
    return Item(item, split, context, fields, gold, options, messages)


@dataclass(frozen=True)
class _Raw:
    """A raw row with its dataset, and its place for errors."""

    dataset: Dataset
    row: Row
    where: str
    file: str

    def value(self, path: str) -> Any:
        """The value at a path, in which {field} is replaced by another field's value."""
        return look_up(self.row, path, self.file, self.where)

    def field(self, path: str, *, may_be_empty: bool) -> str:
        """A row field as prompts show it; lists of texts are joined by a space."""
        value = self.value(path)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = " ".join(value)
        return self.text(value, path, may_be_empty=may_be_empty)

    def text(self, value: Any, path: str, *, may_be_empty: bool = False) -> str:
        """A value as prompts show it; StudyError if it is not text."""
        found = "" if may_be_empty and value is None else text_of(value)
        shown = "" if found is None else self.shown(found)
        if is_visible(shown):
            return shown
        if may_be_empty and found is not None:
            return ""
        raise self.refusal(
            f"has no text in a field{self.kind_of(value)}",
            path,
            value,
            "fix the row, correct the field, list its value under `drop`, or the template's "
            "field under `optional`",
        )

    def kind_of(self, value: Any) -> str:
        """What a value is that might be taken for text, in words."""
        if isinstance(value, bool):
            return " but a truth value, which formats write in several ways"
        if isinstance(value, float):
            return " but a number with decimals, which formats write in several ways"
        return ""

    def shown(self, text: str) -> str:
        """A cleaned text, on one line unless verbatim."""
        text = self.cleaned(text)
        # A line break would look like the end of a section of the prompt.
        return text if self.dataset.verbatim else " ".join(text.split())

    def cleaned(self, text: str) -> str:
        """A text after the dataset's replacements; StudyError for one that does not end."""
        for number, clean in enumerate(self.dataset.clean):
            try:
                with time_limit(CLEANING):
                    text = re.sub(clean.pattern, clean.replacement, text)
            except OutOfTimeError:
                raise self.refusal(
                    f"is searched for more than {CLEANING:g} s for a pattern",
                    f"clean.{number}.pattern",
                    clean.pattern,
                    "write the pattern without a repetition within a repetition, as in (a+)+",
                ) from None
        return text

    def identity(self, path: str) -> str:
        """An id as it is; StudyError if it is empty."""
        value = self.value(path)
        found = " ".join((text_of(value) or "").split())
        if not found:
            raise self.refusal(
                f"has no id{self.kind_of(value)}", path, value, "fix the row, or leave the key out"
            )
        return found

    def filled(self, template: str, key: str) -> str:
        """A composed text, filled from the row."""

        def inserted(name: str) -> str:
            value = self.value(name)
            found = text_of(value)
            if found is None:
                raise self.refusal(
                    f"has no text in the field {name!r} of a template{self.kind_of(value)}",
                    key,
                    value,
                    "fix the row, or list its value under `drop`",
                )
            return found

        return filled(template, inserted, "c")

    def refusal(self, what: str, key: str, value: Any, fix: str) -> StudyError:
        """The error whose text is this row's place and `what`."""
        return StudyError(f"{self.where} {what}", file=self.file, key=key, value=value, fix=fix)

    def unlabelled(self, key: str, value: Any) -> StudyError:
        """The error for a row whose gold is withheld."""
        return self.refusal(
            "holds the hub's 'no label' value",
            key,
            value,
            "use a split that has labels (those of some test splits are withheld), or `drop` it",
        )


def is_visible(text: str) -> bool:
    """Whether a text has any character that is seen: not only white space, marks of direction,
    zero-width characters and other controls."""
    return any(unicodedata.category(letter)[0] not in "CZ" for letter in text)


def _composed(raw: _Raw) -> _Raw:
    """The row with the fields that the dataset composes from the row's own."""
    taken = [name for name in raw.dataset.compose if name in raw.row]
    if taken:
        raise StudyError(
            "a composed field has the name of a field that the rows have",
            file=raw.file,
            key=f"compose.{taken[0]}",
            value=raw.row[taken[0]],
            fix="give it another name, and use that in `fields`",
        )
    made = {
        name: raw.filled(template, f"compose.{name}")
        for name, template in raw.dataset.compose.items()
    }
    return _Raw(raw.dataset, {**raw.row, **made}, raw.where, raw.file)


def _gold(raw: _Raw, kind: Kind, options: list[str]) -> list[str]:
    if kind == "instruction":
        return []
    gold = raw.dataset.gold
    if gold is None:
        raise StudyError(
            "the dataset gives no gold", file=raw.file, key="gold", fix="add the key gold"
        )
    value = raw.value(gold.field)
    if kind == "classification":
        found = [_label(gold, value, raw)]
    elif kind == "multiple_choice":
        found = [options[_position(gold, value, raw, options)]]
    else:
        found = _references(gold, value, raw)
    _require_words(raw, raw.dataset.metric_for(kind), gold.field, found)
    return found


def _require_words(raw: _Raw, metric: str, key: str, answers: list[str]) -> None:
    """StudyError for a right answer of which the metric would see nothing."""
    words_of = WORDS_OF.get(metric)
    for answer in answers:
        if words_of is not None and not words_of(answer):
            raise raw.refusal(
                f"has a right answer without a word: {metric} would score 0 whatever is said",
                key,
                answer,
                "fix or `drop` the row, or set `metric: accuracy`, which compares whole texts",
            )


def _references(gold: Gold, value: Any, raw: _Raw) -> list[str]:
    references = value if isinstance(value, list) else [value]
    # A text may well be "None" or "-1"; hidden answers look like an empty list.
    hidden = all(one is None or not is_visible(str(one)) for one in references)
    if hidden or -1 in references:
        raise raw.unlabelled(gold.field, value)
    return [raw.text(one, gold.field) for one in references]


def _named(value: Any) -> str | None:
    """A single value as labels and positions name it; None for nothing, lists and mappings."""
    return str(value) if isinstance(value, str | bool | int | float) else None


def _label(gold: Gold, value: Any, raw: _Raw) -> str:
    """The label word of a gold value: the first of its group."""
    if gold.threshold is not None:
        above = _score(gold.threshold, value, raw, gold.field) > gold.threshold.above
        return gold.threshold.yes if above else gold.threshold.no
    if not gold.labels:
        raise StudyError(
            "gold names no labels",
            file=raw.file,
            key="gold.labels",
            fix="map each raw value to a label word",
        )
    words = gold.labels.get(_named(value) or "")
    if words is not None:
        return words if isinstance(words, str) else words[0]
    if _withheld(value):
        raise raw.unlabelled("gold.labels", value)
    raise raw.refusal(
        "holds a gold value not in labels",
        "gold.labels",
        value,
        f"known: {', '.join(gold.labels)}; add it, or `drop` it",
    )


def _withheld(value: Any) -> bool:
    """Whether a gold value is what hubs write for one that they do not give."""
    return value is None or _named(value) in NO_LABEL


def _score(threshold: Threshold, value: Any, raw: _Raw, field: str) -> float:
    lowest = threshold.lowest
    score = _number(value)
    if value in (None, "", "None") or (lowest is None and score == -1):
        raise raw.unlabelled(field, value)
    # NaN is above nothing, and would pass for a `no`.
    if not math.isfinite(score):
        raise raw.refusal(
            "has no score", field, value, "fix the row, or list its value under `drop`"
        )
    if lowest is not None and score < lowest:
        raise raw.refusal(
            f"has a score below the lowest, {lowest:g}",
            field,
            value,
            "fix the row, list its value under `drop`, or correct gold.threshold.lowest",
        )
    return score


def _number(value: Any) -> float:
    """A number or a text of one; NaN for all else."""
    text = isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*", value)
    if isinstance(value, bool) or not (text or isinstance(value, int | float)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _options(raw: _Raw) -> list[str]:
    listed = raw.dataset.options
    if listed is None:
        raise StudyError(
            "the dataset gives no options",
            file=raw.file,
            key="options",
            fix="name the row field(s) with the options",
        )
    values = raw.value(listed) if isinstance(listed, str) else [raw.value(path) for path in listed]
    if not isinstance(values, list) or len(values) < 2:
        raise raw.refusal(
            "has fewer than two options", "options", values, "fix the row or correct the field"
        )
    return [raw.text(value, "options") for value in values]


def _position(gold: Gold, value: Any, raw: _Raw, options: list[str]) -> int:
    """Index of the right option before shuffling."""
    names = _names(gold, raw, options)
    named = _named(value)
    if named in names:
        position = names.index(named)
        _refuse_second_right(raw, options, position)
        return position
    if _withheld(value):
        raise raw.unlabelled(gold.field, value)
    raise raw.refusal(
        "names an option that does not exist",
        gold.field,
        value,
        f"one of {shorten(', '.join(names))} is expected; see gold.positions",
    )


def _names(gold: Gold, raw: _Raw, options: list[str]) -> list[str]:
    """The options' names, in their order."""
    if gold.positions_field is None:
        return (gold.positions or [str(k) for k in range(len(options))])[: len(options)]
    listed = raw.value(gold.positions_field)
    found = [_named(name) for name in listed] if isinstance(listed, list) else []
    names = [name for name in found if name]
    if len(found) == len(set(names)) == len(options):
        return names
    raise raw.refusal(
        f"has {len(options)} options, and not as many names of their own",
        gold.positions_field,
        listed,
        "fix the row, or correct options and gold.positions_field",
    )


def _refuse_second_right(raw: _Raw, options: list[str], right: int) -> None:
    # Answers are compared as texts: a wrong option given twice stays wrong.
    same = [unicodedata.normalize("NFC", option) for option in options]
    if same.count(same[right]) > 1:
        raise AmbiguousRowError(
            f"{raw.where} has the same option twice, once as the right one",
            file=raw.file,
            key="options",
            value=options,
            fix="fix the row, or set `duplicates: drop` to leave such rows out and count them",
        )


def _messages(raw: _Raw) -> list[dict[str, str]]:
    listed = raw.dataset.messages
    turns = (
        raw.value(listed)
        if isinstance(listed, str)
        else [{"role": turn.role, "content": raw.value(turn.field)} for turn in listed or []]
    )
    if not isinstance(turns, list) or not all(_is_turn(turn) for turn in turns):
        raise _no_dialogue(raw, turns)
    _refuse_unread(raw, turns)
    found = [{"role": turn["role"], "content": _content(raw, turn["content"])} for turn in turns]
    empty = any(not is_visible(turn["content"]) for turn in found)
    if empty and "messages" not in raw.dataset.optional:
        raise raw.refusal(
            "has an empty message",
            "messages",
            turns,
            "fix or `drop` the row, or list `messages` under `optional` to keep such turns",
        )
    if not any(turn["role"] == "assistant" for turn in found):
        raise _no_dialogue(raw, turns)
    return found


def _refuse_unread(raw: _Raw, turns: list[dict[str, Any]]) -> None:
    """StudyError for a dialogue that says more than roles and contents: a model that is trained
    without it would learn another text."""
    listed = raw.dataset.messages
    own = [] if isinstance(listed, str) else [turn.field for turn in listed or []]
    beyond = {key for turn in turns for key, value in turn.items() if _says(value)}
    next_to = {key for key in NEXT_TO_TURNS if _says(raw.row.get(key)) and key not in own}
    unread = sorted((beyond | next_to) - {"role", "content", *raw.dataset.ignored})
    if unread:
        names = shorten(", ".join(map(repr, unread)), 200)
        raise raw.refusal(
            f"has {names}, which is not read",
            "messages",
            turns,
            f"drop the row, or list {names} under `ignored` if the dialogue is the same without it",
        )


def _says(value: Any) -> bool:
    """Whether a value holds anything."""
    return value is not None and value != [] and value != {} and value != ""


def _is_turn(turn: Any) -> bool:
    return (
        isinstance(turn, dict)
        and turn.get("role") in ROLES
        and isinstance(turn.get("content"), str)
    )


def _content(raw: _Raw, content: str) -> str:
    text = raw.cleaned(content)
    return text if raw.dataset.verbatim else text.strip()


def _no_dialogue(raw: _Raw, turns: Any) -> StudyError:
    return raw.refusal(
        "is not a dialogue with an assistant's turn",
        "messages",
        turns,
        f"each turn needs role ({', '.join(ROLES)}) and content",
    )
