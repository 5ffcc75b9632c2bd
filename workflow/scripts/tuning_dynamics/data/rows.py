"""From a raw row to an item: fields, gold, shuffled options, messages; each checked."""

import json
import random
from typing import Any

from tuning_dynamics.data.items import Item
from tuning_dynamics.data.sources import Row, look_up
from tuning_dynamics.study.datasets import Dataset, Gold, Kind
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import text_digest

#: What hubs write where a gold label is withheld.
NO_LABEL = ("-1", "None", "")


def to_item(
    dataset: Dataset, kind: Kind, row: Row, split: str, where: str, file: str, seed: int
) -> Item:
    """The item of a raw row; StudyError says which row (`where`) and field do not fit."""
    fields = {
        name: _text(look_up(row, path, file), path, where, file)
        for name, path in dataset.fields.items()
    }
    messages = _messages(dataset, row, where, file) if kind == "instruction" else []
    options = _options(dataset, row, where, file) if kind == "multiple_choice" else []
    gold = _gold(dataset, kind, row, options, where, file)
    content = json.dumps([fields, gold, options, messages], sort_keys=True, ensure_ascii=False)
    item = (
        _text(look_up(row, dataset.id_field, file), dataset.id_field, where, file)
        if dataset.id_field
        else text_digest(content)
    )
    context = str(look_up(row, dataset.context_field, file)) if dataset.context_field else item
    # Seeded by item, so that an order does not depend on which other rows there are.
    random.Random(f"{seed} options {item}").shuffle(options)
    return Item(item, split, context, fields, gold, options, messages)


def _text(value: Any, path: str, where: str, file: str) -> str:
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    if isinstance(value, bool | int | float):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise StudyError(
            f"{where} has no text in a field",
            file=file,
            key=path,
            value=value,
            fix="mend the row, correct the field, or list its value under `drop`",
        )
    # One line each: a break would look like the end of a part of the prompt.
    return " ".join(value.split())


def _gold(
    dataset: Dataset, kind: Kind, row: Row, options: list[str], where: str, file: str
) -> list[str]:
    if kind == "instruction":
        return []
    if dataset.gold is None:
        raise StudyError("the dataset gives no gold", file=file, key="gold", fix="add the key gold")
    value = look_up(row, dataset.gold.field, file)
    if kind == "classification":
        return [_label(dataset.gold, value, where, file)]
    if kind == "multiple_choice":
        return [options[_position(dataset.gold, value, row, options, where, file)]]
    references = value if isinstance(value, list) else [value]
    return [_text(reference, dataset.gold.field, where, file) for reference in references]


def _label(gold: Gold, value: Any, where: str, file: str) -> str:
    if gold.threshold is not None:
        try:
            return gold.threshold.yes if float(value) > gold.threshold.above else gold.threshold.no
        except (TypeError, ValueError):
            raise StudyError(
                f"{where} has no score",
                file=file,
                key=gold.field,
                value=value,
                fix="mend the row, or list its value under `drop`",
            ) from None
    if not gold.labels:
        raise StudyError(
            "gold names no labels",
            file=file,
            key="gold.labels",
            fix="map each raw value to a label word",
        )
    if str(value) in gold.labels:
        return gold.labels[str(value)]
    kind = "the hub's 'no label' value" if str(value) in NO_LABEL else "a gold value not in labels"
    raise StudyError(
        f"{where} holds {kind}",
        file=file,
        key="gold.labels",
        value=value,
        fix=f"known: {', '.join(gold.labels)}; add it, use a split with labels, or `drop` it",
    )


def _options(dataset: Dataset, row: Row, where: str, file: str) -> list[str]:
    if dataset.options is None:
        raise StudyError(
            "the dataset gives no options",
            file=file,
            key="options",
            fix="name the row field(s) with the options",
        )
    if isinstance(dataset.options, str):
        values = look_up(row, dataset.options, file)
    else:
        values = [look_up(row, path, file) for path in dataset.options]
    if not isinstance(values, list) or len(values) < 2:
        raise StudyError(
            f"{where} has fewer than two options",
            file=file,
            key="options",
            value=values,
            fix="mend the row or correct the field",
        )
    texts = [_text(value, "options", where, file) for value in values]
    if len(set(texts)) < len(texts):
        raise StudyError(
            f"{where} has the same option twice",
            file=file,
            key="options",
            value=texts,
            fix="mend the row, or `drop` it",
        )
    return texts


def _position(gold: Gold, value: Any, row: Row, options: list[str], where: str, file: str) -> int:
    """Index of the right option before shuffling."""
    names = gold.positions or [str(k) for k in range(len(options))]
    if gold.positions_field is not None:
        names = [str(name) for name in look_up(row, gold.positions_field, file)]
    if str(value) in names[: len(options)]:
        return names.index(str(value))
    raise StudyError(
        f"{where} names an option that is not there",
        file=file,
        key=gold.field,
        value=value,
        fix=f"one of {', '.join(names[: len(options)])} is expected; see gold.positions",
    )


def _messages(dataset: Dataset, row: Row, where: str, file: str) -> list[dict[str, str]]:
    if isinstance(dataset.messages, str):
        turns = look_up(row, dataset.messages, file)
    else:
        turns = [
            {"role": turn.role, "content": look_up(row, turn.field, file)}
            for turn in dataset.messages or []
        ]
    valid = isinstance(turns, list) and all(
        isinstance(turn, dict)
        and turn.get("role") in ("system", "user", "assistant")
        and isinstance(turn.get("content"), str)
        and turn["content"].strip()
        for turn in turns
    )
    if not valid or not any(turn["role"] == "assistant" for turn in turns):
        raise StudyError(
            f"{where} is no dialogue with an assistant's turn",
            file=file,
            key="messages",
            value=turns,
            fix="each turn needs role (system, user, assistant) and content",
        )
    return [{"role": turn["role"], "content": turn["content"].strip()} for turn in turns]
