"""Raw rows to checked items: composed fields, texts, gold, shuffled options, messages."""

import json
import math
import random
import re
import string
import unicodedata
from dataclasses import dataclass
from typing import Any

from tuning_dynamics.common.atomic_files import text_digest
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.words import WORDS_OF
from tuning_dynamics.config.dataset import Dataset, Gold, Kind
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.sources import Row, look_up


class AmbiguousRowError(StudyError):
    """A multiple-choice row whose right option is also a wrong one."""


#: What hubs write in place of a withheld gold label.
NO_LABEL = ("-1", "-1.0", "None", "")
#: A graded score written as text: other forms that Python takes for a number (`1_0`) are none.
SCORE = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
ROLES = ("system", "user", "assistant")
#: Fields next to a dialogue's turns that change what a model is shown.
NEXT_TO_TURNS = ("tools", "functions", "documents", "images", "videos", "audios")


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
        name: raw.text(raw.value(path), path, may_be_empty=name in dataset.optional)
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
        return look_up(self.row, self.filled(path, path), self.file)

    def text(self, value: Any, path: str, *, may_be_empty: bool = False) -> str:
        """A value as prompts show it; StudyError if it is not text."""
        found = "" if may_be_empty and value is None else _plain(value)
        shown = "" if found is None else self.shown(found)
        if is_visible(shown):
            return shown
        if may_be_empty and found is not None:
            return ""
        raise self.refusal(
            "has no text in a field",
            path,
            value,
            "fix the row, correct the field, list its value under `drop`, or the template's "
            "field under `optional`",
        )

    def shown(self, text: str) -> str:
        """A cleaned text, on one line unless verbatim."""
        text = self.cleaned(text)
        # A line break would look like the end of a section of the prompt.
        return text if self.dataset.verbatim else " ".join(text.split())

    def cleaned(self, text: str) -> str:
        """A text after the dataset's replacements."""
        for clean in self.dataset.clean:
            text = re.sub(clean.pattern, clean.replacement, text)
        return text

    def identity(self, path: str) -> str:
        """An id as it is; StudyError if it is empty."""
        value = self.value(path)
        found = " ".join((_plain(value) or "").split())
        if not found:
            raise self.refusal("has no id", path, value, "fix the row, or leave the key out")
        return found

    def filled(self, template: str, key: str) -> str:
        """A template with its {field} and {field!c} filled from the row."""
        if "{" not in template and "}" not in template:
            return template
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise StudyError(
                f"a template cannot be read ({error})",
                file=self.file,
                key=key,
                value=template,
                fix="write {field} for a field, and {{ and }} for braces",
            ) from None
        return "".join(
            literal if name is None else literal + self._inserted(name, spec, conversion, key)
            for literal, name, spec, conversion in parts
        )

    def _inserted(self, name: str, spec: str | None, conversion: str | None, key: str) -> str:
        if spec or conversion not in (None, "c"):
            raise StudyError(
                "a template formats a field in an unknown way",
                file=self.file,
                key=key,
                value={"field": name, "conversion": conversion, "format": spec},
                fix="write {field}, or {field!c} to begin with a capital",
            )
        value = look_up(self.row, name, self.file)
        found = _plain(value)
        if found is None:
            raise self.refusal(
                f"has no text in the field {name!r} of a template",
                key,
                value,
                "fix the row, or list its value under `drop`",
            )
        return found.capitalize() if conversion else found

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


def _plain(value: Any) -> str | None:
    """A text, number or list of texts as one text; None for anything else."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, str | bool | int | float):
        return str(value)
    return None


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


def _label(gold: Gold, value: Any, raw: _Raw) -> str:
    """The label word of a gold value: the first of its group."""
    if gold.threshold is not None:
        above = _score(gold, value, raw) > gold.threshold.above
        return gold.threshold.yes if above else gold.threshold.no
    if not gold.labels:
        raise StudyError(
            "gold names no labels",
            file=raw.file,
            key="gold.labels",
            fix="map each raw value to a label word",
        )
    if str(value) in gold.labels:
        words = gold.labels[str(value)]
        return words if isinstance(words, str) else words[0]
    if str(value) in NO_LABEL:
        raise raw.unlabelled("gold.labels", value)
    raise raw.refusal(
        "holds a gold value not in labels",
        "gold.labels",
        value,
        f"known: {', '.join(gold.labels)}; add it, or `drop` it",
    )


def _score(gold: Gold, value: Any, raw: _Raw) -> float:
    number = SCORE.fullmatch(value) if isinstance(value, str) else type(value) in (int, float)
    score = float(value) if number else math.nan
    if str(value) in NO_LABEL or score == -1:
        raise raw.unlabelled(gold.field, value)
    # NaN is above nothing, and would pass for a `no`.
    if not math.isfinite(score):
        raise raw.refusal(
            "has no score", gold.field, value, "fix the row, or list its value under `drop`"
        )
    return score


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
    names = gold.positions or [str(k) for k in range(len(options))]
    if gold.positions_field is not None:
        names = [str(name) for name in raw.value(gold.positions_field)]
        if len(names) != len(options) or len(set(names)) < len(names):
            raise raw.refusal(
                f"has {len(options)} options, and not as many names of their own",
                gold.positions_field,
                names,
                "fix the row, or correct options and gold.positions_field",
            )
    if str(value) in names[: len(options)]:
        position = names.index(str(value))
        _refuse_second_right(raw, options, position)
        return position
    if str(value) in NO_LABEL:
        raise raw.unlabelled(gold.field, value)
    raise raw.refusal(
        "names an option that does not exist",
        gold.field,
        value,
        f"one of {', '.join(names[: len(options)])} is expected; see gold.positions",
    )


def _refuse_second_right(raw: _Raw, options: list[str], right: int) -> None:
    # Answers are compared as texts: a wrong option given twice stays wrong.
    if options.count(options[right]) > 1:
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
    beyond = {key for turn in turns for key, value in turn.items() if _says(value)}
    unread = sorted(beyond - {"role", "content"} - {*raw.dataset.ignored})
    unread += sorted(key for key in NEXT_TO_TURNS if _says(raw.row.get(key)))
    unread = [key for key in unread if key not in raw.dataset.ignored]
    if unread:
        raise raw.refusal(
            f"has {', '.join(unread)}, which is not read",
            "messages",
            turns,
            f"drop the row, or list {', '.join(unread)} under `ignored` if the dialogue is the "
            "same without it",
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
