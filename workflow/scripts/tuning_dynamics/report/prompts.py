"""Prompts of a cell as its model saw them, made again from frozen items: records hold digests.

A prompt is shown only if its digest is the one in the records. No model or tokenizer is read: if a
prompt was shortened, the text with the same digest is found by trying.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tuning_dynamics.common import templates
from tuning_dynamics.common.atomic_files import text_digest
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item, read_items
from tuning_dynamics.data.prompts import SEPARATOR, few_shot, render
from tuning_dynamics.evaluate.request import CellRequest, parse_request
from tuning_dynamics.stats.records import refusal

#: Key of the records' metadata that holds the cell's request, as `evaluate.cell` writes it.
REQUEST_KEY = b"tuning_dynamics.request"


@dataclass(frozen=True)
class Prompt:
    """What a model was shown: `demonstrations` (empty without any) and the item's `own` part, as
    text. The tokenizer's beginning-of-text token is not part of it."""

    demonstrations: str
    own: str

    @property
    def text(self) -> str:
        """The whole prompt."""
        return SEPARATOR.join(filter(None, (self.demonstrations, self.own)))


@dataclass(frozen=True)
class Answered:
    """One item of a cell. `prompt` is None if no text has the recorded digest; `options` are the
    answers to choose from, with their scores."""

    item: str
    prompt: Prompt | None
    truncated: bool
    prediction: str
    gold: list[str]
    options: list[tuple[str, float]]


class CellAnswers:
    """The answers of one cell, with what the model was shown.

    StudyError if the records are missing, damaged, or say that the cell was refused, and for items
    that can't be read.
    """

    def __init__(self, path: Path) -> None:
        reason = refusal(path)
        if reason is not None:
            raise StudyError(
                f"the cell was refused: {reason}", file=path, fix="fix what it names, and run again"
            )
        self.path = path
        self.request = _request(path)
        self.rows: dict[str, dict[str, Any]] = {
            row["item"]: row for row in pq.read_table(path, use_threads=False).to_pylist()
        }

    @cached_property
    def items(self) -> dict[str, Item]:
        """The evaluated items by id."""
        found = read_items(_moved(self.request.items, self.path), "evaluation")
        return {item.item: item for item in found}

    @cached_property
    def shown(self) -> list[tuple[str, str]]:
        """(prompt, answer) of the demonstrations that untruncated prompts begin with."""
        request = self.request
        if not request.shots:
            return []
        found = read_items(_moved(request.demonstrations, self.path), "demonstration")
        if request.kind == "classification":
            found = [item for item in found if item.target in request.words]
        chosen = found[: request.shots]
        return [(render(request.template, item.fields), item.target) for item in chosen]

    def answered(self, name: str) -> Answered:
        """An item of the cell; StudyError if it has no such item."""
        if name not in self.rows:
            raise StudyError(
                "the cell has no such item",
                file=self.path,
                key="item",
                value=name,
                fix=f"name one of its {len(self.rows):,}: {', '.join(list(self.rows)[:3])}, …",
            )
        row, item = self.rows[name], self.items.get(name)
        return Answered(
            item=name,
            prompt=None if item is None else self._prompt(item, row),
            truncated=row["truncated"],
            prediction=row["prediction"],
            gold=row["gold"],
            options=[] if item is None else self._options(item, row["option_scores"]),
        )

    def _options(self, item: Item, scores: list[float]) -> list[tuple[str, float]]:
        words = list(self.request.words) if self.request.labels else item.options
        return list(zip(words, scores, strict=True)) if scores else []

    def _prompt(self, item: Item, row: dict[str, Any]) -> Prompt | None:
        candidates = self._shortened(item) if row["truncated"] else self._whole(item)
        digest = row["prompt_digest"]
        return next((one for one in candidates if text_digest(one.text) == digest), None)

    def _whole(self, item: Item) -> Iterator[Prompt]:
        yield _prompt_of(self.shown, render(self.request.template, item.fields))

    def _shortened(self, item: Item) -> Iterator[Prompt]:
        """Without the first demonstrations; then without any, and with the end of the longest field
        cut (`evaluate.truncation`)."""
        own = render(self.request.template, item.fields)
        for left_out in range(1, len(self.shown) + 1):
            yield _prompt_of(self.shown[left_out:], own)
        names = templates.names(self.request.template)
        if names:
            longest = max(names, key=lambda name: len(item.fields[name]))
            text = item.fields[longest]
            # From the shortest: a context bounds what was kept, and nothing what was cut.
            for kept in range(len(text)):
                cut = {**item.fields, longest: text[:kept].rstrip()}
                yield Prompt("", render(self.request.template, cut))


def _prompt_of(shown: list[tuple[str, str]], own: str) -> Prompt:
    """The demonstrations are those that `few_shot` puts before an item's own prompt."""
    before = few_shot(shown, "").removesuffix(SEPARATOR)
    return Prompt(before, own)


def _request(path: Path) -> CellRequest:
    """The request that a cell's records answer."""
    held = (pq.read_schema(path).metadata or {}).get(REQUEST_KEY)
    if held is None:
        raise StudyError(
            "the records do not say what they answer",
            file=path,
            key=REQUEST_KEY.decode(),
            fix="delete the file and run the workflow again; it evaluates this cell again",
        )
    return parse_request({**json.loads(held), "out": str(path)})


def _moved(file: str, cell: Path) -> Path:
    """A study's file as the request names it, results/STUDY/…, in the study's folder now: it may
    have been moved, with the cell."""
    parts = Path(file).parts[2:]
    found = (Path(parent, *parts) for parent in cell.parents)
    return next((path for path in found if path.is_file()), Path(file))
