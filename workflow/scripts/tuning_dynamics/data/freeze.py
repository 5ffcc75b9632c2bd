"""Freeze a dataset: checked items with stable ids, seeded subsets and demonstrations."""

import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from tuning_dynamics.data.demonstrations import choose_demonstrations
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.data.rows import to_item
from tuning_dynamics.data.sources import Row, look_up, read_split
from tuning_dynamics.study.datasets import Dataset, Kind
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import write_json


def freeze_from_spec(
    name: str,
    spec: dict[str, Any],
    data_root: str | None,
    items_path: str | Path,
    manifest_path: str | Path,
) -> None:
    """Read, check, subset and write a dataset's items, and a manifest that counts them.

    `spec` holds dataset, kind, seed, train_items, evaluation_items and, for the mini world's
    sets, world. StudyError where the data would give a wrong number; nothing is written then.
    """
    dataset, seed = Dataset.model_validate(spec["dataset"]), spec["seed"]
    frozen = _Freeze(name, dataset, spec["kind"], seed)
    world = spec.get("world", {})
    train = frozen.split("train", data_root, world)
    evaluation = frozen.split("evaluation", data_root, world)
    train = frozen.without_overlap(train, evaluation)
    demonstrations, train = choose_demonstrations(
        train, spec["kind"], random.Random(f"{seed} demonstrations")
    )
    train = _subset(train, spec["train_items"], random.Random(f"{seed} train"))
    evaluation = _subset(evaluation, spec["evaluation_items"], random.Random(f"{seed} evaluation"))
    evaluation.sort(key=lambda item: item.item)
    write_items(items_path, [*train, *evaluation, *demonstrations])
    write_json(manifest_path, frozen.manifest(train, evaluation, demonstrations))


def _subset(items: list[Item], most: int | None, rng: random.Random) -> list[Item]:
    order = list(items)
    rng.shuffle(order)
    return order[:most]


class _Freeze:
    """One dataset being frozen: its checks, and the counts that they leave for the manifest."""

    def __init__(self, name: str, dataset: Dataset, kind: Kind, seed: int) -> None:
        self.name, self.dataset, self.kind, self.seed = name, dataset, kind, seed
        self.file = f"datasets/{name}.yaml"
        self.left_out: Counter[str] = Counter()

    def split(self, role: str, data_root: str | None, world: dict[str, Any]) -> list[Item]:
        """A split's checked items, without repeats; none where the dataset has no such split."""
        rows = read_split(self.name, self.dataset, role, data_root, world)
        if rows is None:
            return []
        kept = [(n, row) for n, row in enumerate(rows, start=1) if not self._dropped(row, role)]
        items = [
            to_item(self.dataset, self.kind, row, role, f"row {n} of {role}", self.file, self.seed)
            for n, row in kept
        ]
        items = self._without_repeats(items, role)
        self._check_not_empty(items, role)
        self._check_gold(items, role)
        return items

    def _check_not_empty(self, items: list[Item], role: str) -> None:
        if not items:
            raise StudyError(
                f"the {role} split of dataset {self.name!r} is empty",
                file=self.file,
                key=f"source ({role})",
                value={"left out": dict(self.left_out)},
                fix="name a split that has rows, or drop fewer of them",
            )

    def _dropped(self, row: Row, role: str) -> bool:
        for field, values in self.dataset.drop.items():
            if str(look_up(row, field, self.file)) in values:
                self.left_out[f"{role}: {field} in drop"] += 1
                return True
        return False

    def _without_repeats(self, items: list[Item], role: str) -> list[Item]:
        kept: dict[str, Item] = {}
        contents: set[str] = set()
        for item in items:
            content = _content(item, gold=True)
            if content in contents or item.item in kept:
                same = "id" if content not in contents else "content"
                self._repeat(f"two {role} items have the same {same}", item, f"{role}: repeated")
                continue
            contents.add(content)
            kept[item.item] = item
        return list(kept.values())

    def without_overlap(self, train: list[Item], evaluation: list[Item]) -> list[Item]:
        """Training items whose shown content is not evaluated."""
        evaluated = {_content(item, gold=False) for item in evaluation}
        kept = []
        for item in train:
            if _content(item, gold=False) in evaluated:
                self._repeat("a training item is evaluated too", item, "train: evaluated too")
            else:
                kept.append(item)
        return kept

    def _repeat(self, what: str, item: Item, count: str) -> None:
        if self.dataset.duplicates == "refuse":
            raise StudyError(
                what,
                file=self.file,
                key="duplicates",
                value={"item": item.item, **item.fields},
                fix="mend the data, or set `duplicates: drop` to leave repeats out and count them",
            )
        self.left_out[count] += 1

    def _check_gold(self, items: list[Item], role: str) -> None:
        if self.kind != "classification" or not items:
            return
        found = Counter(item.target for item in items)
        if len(found) == 1:
            raise StudyError(
                f"every {role} item of dataset {self.name!r} has the same gold label",
                file=self.file,
                key="gold",
                value=dict(found),
                fix="a split without labels (as GLUE's test) cannot be scored: use another split",
            )

    def manifest(
        self, train: list[Item], evaluation: list[Item], demonstrations: list[Item]
    ) -> dict[str, Any]:
        """What was frozen: counts, labels, digests."""
        splits = {"train": train, "evaluation": evaluation, "demonstration": demonstrations}
        return {
            "dataset": self.name,
            "task": self.dataset.task,
            "kind": self.kind,
            "licence": self.dataset.licence,
            "seed": self.seed,
            "items": {split: len(items) for split, items in splits.items()},
            "labels": {
                split: dict(sorted(Counter(item.target for item in items).items()))
                for split, items in splits.items()
                if self.kind == "classification"
            },
            "left_out": dict(sorted(self.left_out.items())),
            "digest": {split: _digest(items) for split, items in splits.items()},
        }


def _content(item: Item, *, gold: bool) -> str:
    parts: list[Any] = [item.fields, sorted(item.options), item.messages]
    return json.dumps([*parts, item.gold] if gold else parts, sort_keys=True)


def _digest(items: list[Item]) -> str:
    text = json.dumps([vars(item) for item in items], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
