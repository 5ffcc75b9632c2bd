"""Counts of evaluated items that stand in what models are tuned on or shown, by pair of sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tuning_dynamics.common.errors import RefusedError
from tuning_dynamics.data.items import Item, read_items
from tuning_dynamics.data.overlap import Index, Overlap, Source

#: Letters of evaluated items that are held at once, in at most 3 GB.
HELD = 100_000_000

Row = dict[str, object]


def overlap_rows(pairs: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> list[Row]:
    """A row of overlaps.csv for each of `pairs` (`grid.splits.comparisons`), in their order.

    `files` are the frozen items by dataset, and draws of demonstrations by `drawn_name`. Counts
    are empty if one of the two sets was refused; a refused draw shows nothing.
    UnavailableError if a file can't be read.
    """
    evaluated = dict.fromkeys(pair["eval_set"] for pair in pairs)
    found: dict[tuple[str, Source], Row] = {}
    for sets in _groups(evaluated, files):
        index = Index(sets)
        for source in dict.fromkeys(_source(pair) for pair in pairs):
            names = [
                pair["eval_set"]
                for pair in pairs
                if _source(pair) == source and pair["eval_set"] in sets
            ]
            rows = _Counted(source, [files[name] for name in source.files])
            overlaps = index.overlaps(rows, names) if names else {}
            for name, overlap in overlaps.items() if rows.accepted else ():
                found[name, source] = _counts(len(sets[name]), rows.count, overlap)
    return [
        {**_named(pair), **found.get((pair["eval_set"], _source(pair)), _REFUSED)} for pair in pairs
    ]


_REFUSED: Row = {
    **dict.fromkeys(("items", "rows", "exact", "near", "part")),
    "example": "",
}


def _source(pair: Mapping[str, Any]) -> Source:
    return Source(pair["dataset"], pair["use"], pair.get("shots"), tuple(pair.get("draws", (0,))))


def _named(pair: Mapping[str, Any]) -> Row:
    own = {name: pair[name] for name in ("eval_set", "dataset", "use")}
    return {**own, "known": pair.get("known", "")}


def _counts(items: int, rows: int, overlap: Overlap) -> Row:
    return {"items": items, "rows": rows, **vars(overlap)}


class _Counted:
    """A source's rows, counted as they are read, those of several draws once; none, and not
    `accepted`, if all of its files were refused."""

    def __init__(self, source: Source, paths: Sequence[str]) -> None:
        self.source, self.paths = source, paths
        self.count, self.accepted = 0, False

    def __iter__(self) -> Iterator[Item]:
        shown: set[str] = set()
        for path in self.paths:
            with suppress(RefusedError):
                for row in self.source.rows(path):
                    if row.item not in shown:
                        self.count += 1
                        yield row
                    # Of draws alone: training rows may be many, and have one file.
                    if len(self.paths) > 1:
                        shown.add(row.item)
                self.accepted = True


def _groups(names: Iterable[str], files: Mapping[str, str]) -> Iterator[dict[str, list[Item]]]:
    """The evaluated items of the sets that were not refused, as many sets at a time as fit."""
    group: dict[str, list[Item]] = {}
    held = 0
    for name in names:
        try:
            items = read_items(files[name], "evaluation")
        except RefusedError:
            continue
        letters = sum(len(text) for item in items for text in item.fields.values())
        if group and held + letters > HELD:
            yield group
            group, held = {}, 0
        group[name], held = items, held + letters
    if group:
        yield group
