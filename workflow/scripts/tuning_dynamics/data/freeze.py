"""Freeze a dataset: checked items with stable ids, seeded subsets and demonstrations."""

import hashlib
import json
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, compress
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError, UnavailableError, shorten
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.data.dedup import Screen
from tuning_dynamics.data.demonstrations import choose_demonstrations
from tuning_dynamics.data.items import SCHEMA, SPLITS, Item, write_items, write_refused
from tuning_dynamics.data.sampling import selection_key, smallest, wanted
from tuning_dynamics.data.sources import Placed, Rows, pin_revision, read_split

#: Number of refused rows that an error names; more are counted.
NAMED = 20

#: The key of a row that becomes no item: larger than any selection key.
OUT = 2**64 - 1


def freeze_or_refuse(
    name: str,
    spec: dict[str, Any],
    data_root: str | None,
    items_path: str | Path,
    manifest_path: str | Path,
    former: Mapping[str, Any] | None = None,
) -> None:
    """`freeze_from_spec`; if that refuses the data, it writes files without items that state the
    reason: the same data would be refused again. UnavailableError if a source can't be read."""
    try:
        freeze_from_spec(name, spec, data_root, items_path, manifest_path, former)
    except UnavailableError:
        raise
    except StudyError as error:
        print(f"refused\n{error}", flush=True)
        write_refused(items_path, SCHEMA, str(error))
        write_json(manifest_path, {"dataset": name, "refused": str(error)})


def freeze_from_spec(
    name: str,
    spec: dict[str, Any],
    data_root: str | None,
    items_path: str | Path,
    manifest_path: str | Path,
    former: Mapping[str, Any] | None = None,
) -> None:
    """Read, check, subset and write a dataset's items, and a manifest that counts them.

    `spec` holds dataset, kind, seed, train_items, evaluation_items and, for the mini world's
    sets, world. Instruction sets are read twice and never held in memory: first every row is
    checked and the subset chosen, then the chosen rows are written, in the source's order. A hub
    set stays at the commit of its `former` manifest. StudyError if the data would give a wrong
    number, UnavailableError if a source can't be read; both leave no file.
    """
    pinned = (former or {}).get("hub", {})
    dataset, origin = pin_revision(name, Dataset.model_validate(spec["dataset"]), pinned)
    screen = Screen(name, dataset, spec["kind"], spec["seed"])
    sources = {
        role: read_split(name, dataset, role, data_root, spec.get("world", {}))
        for role in ("train", "evaluation")
    }
    select = _streamed if spec["kind"] == "instruction" else _gathered
    tallies = {split: _Tally(split) for split in SPLITS}
    chosen = select(screen, sources, spec)
    tallied = (tallies[split].counted(chosen[split]) for split in SPLITS if split in chosen)
    write_items(items_path, chain.from_iterable(tallied))
    write_json(manifest_path, _manifest(screen, tallies, origin))


def _gathered(
    screen: Screen, sources: dict[str, Rows | None], spec: dict[str, Any]
) -> dict[str, Iterable[Item]]:
    """The items of each split of a set that fits in memory."""
    seed, refusals = spec["seed"], Refusals()
    evaluation = _all_items(screen, sources["evaluation"], "evaluation", refusals)
    train = _all_items(screen, sources["train"], "train", refusals)
    refusals.end()
    demonstrations, train = choose_demonstrations(
        train, screen.kind, random.Random(f"{seed} demonstrations")
    )
    train = _subset(train, spec["train_items"], random.Random(f"{seed} train"))
    evaluation = _subset(evaluation, spec["evaluation_items"], random.Random(f"{seed} evaluation"))
    evaluation.sort(key=lambda item: item.item)
    return {"train": train, "evaluation": evaluation, "demonstration": demonstrations}


def _all_items(screen: Screen, rows: Rows | None, role: str, refusals: "Refusals") -> list[Item]:
    """A split's checked items, without repeats, and without evaluated ones if it is trained on;
    none if the dataset has no such split."""
    if rows is None:
        return []
    items: list[Item] = []
    apart: list[Item] = []
    for place, row in refusals.reading(rows):
        with refusals.noted():
            out = screen.dropped(row, place, role)
            item = None if out else screen.fitting(row, place, role)
            if item is not None and not screen.repeated(item, place, role):
                items.append(item)
                if not (role == "train" and screen.overlaps(item, place)):
                    apart.append(item)
    if not refusals.errors:
        screen.require_some(len(items), role)
        screen.require_labels(items, role)
    return apart


class Refusals:
    """What is wrong with the rows of a set: one pass finds all of it."""

    def __init__(self) -> None:
        self.errors: dict[str, StudyError] = {}
        self.rows = 0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep a StudyError for later; UnavailableError, of a source that can't be read, is
        raised."""
        try:
            yield
        except UnavailableError:
            raise
        except StudyError as error:
            self.rows += 1
            if len(self.errors) < NAMED:
                self.errors.setdefault(str(error), error)

    def reading(self, rows: Rows) -> Iterator[Placed]:
        """The rows with their places, up to one where the file itself can't be read."""
        with self.noted():
            yield from rows

    def end(self) -> None:
        """Raise what was kept: an error as it is, or several as one that lists them."""
        first = next(iter(self.errors.values()), None)
        if first is None:
            return
        if len(self.errors) == 1:
            raise first
        listed = [
            f"  {error.what} ({error.key}: {shorten(repr(error.value), 80)})"
            for error in self.errors.values()
        ]
        more = self.rows - len(listed)
        rest = [f"  and {more:,} more"] if more > 0 else []
        raise StudyError(
            "\n".join([f"{self.rows:,} rows can't be used:", *listed, *rest]),
            file=first.file,
            key=first.key,
            value=first.value,
            fix=first.fix,
        )


def _subset(items: list[Item], request: float | str | None, rng: random.Random) -> list[Item]:
    order = list(items)
    rng.shuffle(order)
    return order[: wanted(request, len(order))]


def _streamed(
    screen: Screen, sources: dict[str, Rows | None], spec: dict[str, Any]
) -> dict[str, Iterable[Item]]:
    """The items of each split, made again at each iteration; all checks are done here."""
    refusals = Refusals()
    keys = {
        role: _selection_keys(screen, rows, role, spec["seed"], refusals)
        for role in ("evaluation", "train")
        if (rows := sources[role]) is not None
    }
    refusals.end()
    chosen: dict[str, Iterable[Item]] = {}
    for role, own in keys.items():
        rows = sources[role]
        assert rows is not None  # as it has keys
        available = len(own) - own.count(OUT)
        kept = smallest(own, wanted(spec[f"{role}_items"], available))
        chosen[role] = _items_of(screen, rows, role, kept)
    return chosen


def _selection_keys(
    screen: Screen, rows: Rows, role: str, seed: int, refusals: Refusals
) -> "array[int]":
    """A pseudo-random number for each row from the seed and the item's id: the rows with the
    smallest ones are a seeded subset that does not depend on the rows' order."""
    keys, kept = array("Q"), 0
    for place, row in refusals.reading(rows):
        key = OUT
        with refusals.noted():
            if not screen.dropped(row, place, role):
                item = screen.item(row, place, role)
                kept += not (repeated := screen.repeated(item, place, role))
                out = repeated or (role == "train" and screen.overlaps(item, place))
                key = OUT if out else selection_key(seed, item.item)
        keys.append(key)
    if not refusals.errors:
        screen.require_some(kept, role)
    return keys


def _items_of(screen: Screen, rows: Rows, role: str, kept: bytearray) -> Iterator[Item]:
    for place, row in compress(rows, kept):
        yield screen.item(row, place, role)


class _Tally:
    """Counts a split as it is written: its items, their labels, and a digest of them in order."""

    def __init__(self, split: str) -> None:
        self.split, self.items = split, 0
        self.labels: Counter[str] = Counter()
        self.digest = hashlib.sha256()

    def counted(self, items: Iterable[Item]) -> Iterator[Item]:
        """`items` unchanged, counted as they are iterated."""
        for item in items:
            self.items += 1
            self.labels.update(item.gold[:1])
            text = json.dumps(vars(item), sort_keys=True, ensure_ascii=False)
            self.digest.update(f"{text}\n".encode())
            yield item


def _manifest(
    screen: Screen, tallies: dict[str, _Tally], origin: dict[str, str | None]
) -> dict[str, Any]:
    """What was frozen: counts, labels, digests, and for a hub set its commit."""
    return {
        "dataset": screen.name,
        "task": screen.dataset.task,
        "kind": screen.kind,
        "licence": screen.dataset.licence,
        **({"hub": origin} if origin else {}),
        "seed": screen.seed,
        "items": {split: tally.items for split, tally in tallies.items()},
        "labels": {
            split: dict(sorted(tally.labels.items()))
            for split, tally in tallies.items()
            if screen.kind == "classification"
        },
        "left_out": dict(sorted(screen.left_out.items())),
        "digest": {split: tally.digest.hexdigest() for split, tally in tallies.items()},
    }
