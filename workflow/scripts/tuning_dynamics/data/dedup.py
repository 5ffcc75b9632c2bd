"""Which rows of a dataset become items: finds rows to drop, repeats, and overlap of splits."""

import hashlib
import json
from collections import Counter
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.dataset import Dataset, Kind
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.parse_rows import AmbiguousRowError, to_item
from tuning_dynamics.data.sources import Row, look_up


class Screen:
    """Screens the rows of one dataset; `left_out` counts those that become no item.

    It remembers items by digests of 16 bytes, so that a million of them take about 200 MB.
    """

    def __init__(self, name: str, dataset: Dataset, kind: Kind, seed: int) -> None:
        self.name, self.dataset, self.kind, self.seed = name, dataset, kind, seed
        self.file = f"datasets/{name}.yaml"
        self.left_out: Counter[str] = Counter()
        self.evaluated: set[bytes] = set()
        self._ids: dict[str, set[bytes]] = {"train": set(), "evaluation": set()}
        self._contents: dict[str, set[bytes]] = {"train": set(), "evaluation": set()}

    def item(self, row: Row, place: str, role: str) -> Item:
        """The item of the row at a place; StudyError if it does not fit."""
        try:
            item = to_item(self.dataset, self.kind, row, role, place, self.file, self.seed)
            _digest(_content(item, gold=True) + item.item + item.context)
        except UnicodeEncodeError as error:
            raise StudyError(
                f"{place} holds half of a character (a lone surrogate), which is not text",
                file=self.file,
                key="fields or messages",
                value=error.object[max(0, error.start - 20) : error.start + 20],
                fix="fix the row, or list a value of it under `drop`",
            ) from None
        return item

    def fitting(self, row: Row, place: str, role: str) -> Item | None:
        """A row's item; if repeats are left out, None (and counted) for a row whose right option
        is also a wrong one."""
        try:
            return self.item(row, place, role)
        except AmbiguousRowError:
            if self.dataset.duplicates == "refuse":
                raise
            self.left_out[f"{role}: right option twice"] += 1
            return None

    def dropped(self, row: Row, place: str, role: str) -> bool:
        """Whether the dataset's key `drop` leaves a row out."""
        for field, values in self.dataset.drop.items():
            if str(look_up(row, field, self.file, place)) in values:
                self.left_out[f"{role}: {field} in drop"] += 1
                return True
        return False

    def repeated(self, item: Item, place: str, role: str) -> bool:
        """Whether an item of the role had the same content or id; StudyError if repeats are
        refused."""
        content, own = _digest(_content(item, gold=True)), _digest(item.item)
        same_content, same_id = content in self._contents[role], own in self._ids[role]
        if same_content or same_id:
            same = "content" if same_content else "id"
            what = f"two {role} items have the same {same}, the second at {place}"
            self._repeat(what, item, f"{role}: repeated")
            return True
        self._contents[role].add(content)
        self._ids[role].add(own)
        if role == "evaluation":
            self.evaluated.add(_digest(_content(item, gold=False)))
        return False

    def overlaps(self, item: Item, place: str) -> bool:
        """Whether a training item's visible content is evaluated; StudyError if that is refused."""
        if _digest(_content(item, gold=False)) not in self.evaluated:
            return False
        what = f"a training item is evaluated too, that of {place}"
        self._repeat(what, item, "train: evaluated too")
        return True

    def _repeat(self, what: str, item: Item, count: str) -> None:
        if self.dataset.duplicates == "refuse":
            raise StudyError(
                what,
                file=self.file,
                key="duplicates",
                value={"item": item.item, **item.fields},
                fix="fix the data, or set `duplicates: drop` to leave repeats out and count them",
            )
        self.left_out[count] += 1

    def require_some(self, kept: int, role: str) -> None:
        """StudyError for a split without items."""
        if not kept:
            raise StudyError(
                f"the {role} split of dataset {self.name!r} is empty",
                file=self.file,
                key=f"source ({role})",
                value={"left out": dict(self.left_out)},
                fix="name a split that has rows, or drop fewer of them",
            )

    def require_labels(self, items: list[Item], role: str) -> None:
        """StudyError for a classification split whose gold is the same everywhere."""
        if self.kind != "classification" or not items:
            return
        found = Counter(item.target for item in items)
        if len(found) == 1:
            raise StudyError(
                f"every {role} item of dataset {self.name!r} has the same gold label",
                file=self.file,
                key="gold",
                value=dict(found),
                fix="a split without labels (like GLUE's test) cannot be scored: use another split",
            )


def _content(item: Item, *, gold: bool) -> str:
    parts: list[Any] = [item.fields, sorted(item.options), item.messages]
    return json.dumps([*parts, item.gold] if gold else parts, sort_keys=True, ensure_ascii=False)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest()
