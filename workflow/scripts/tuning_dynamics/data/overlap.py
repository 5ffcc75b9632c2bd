"""Which evaluated items stand in training rows or demonstrations.

Texts are compared without case, punctuation, white space, forms of Unicode and unseen characters.
An item is what its fields say, without a field that is the same in most items of its set.

- `exact`: one row holds all fields of the item, apart from one another, anywhere in its texts (a
  question within a dialogue). A field must stand there as a sentence or next to another one, unless
  it has 8 words or more and is the only one, or the row is a dialogue: rows of pairs are often
  alike (`… limited`, `… limited express`). If all fields together have fewer than 8 words, or other
  items of the set say the same (`Which is true?`), the row must hold a right answer too. An item
  whose longest field has fewer than 24 letters is looked for by sentences, signs between digits
  included.
- `near`: not exact, and 13 words in a row of a field stand somewhere in the rows, as in the
  analyses of GPT-3 (Brown et al. 2020, appendix C) and Llama 2 (Touvron et al. 2023, appendix A.6).
  N-grams that are in over a tenth of the set's texts, and more than two, are templates. A shorter
  field has no n-gram: it counts only as a whole, where GPT-3 used n-grams of 8 words or more.
- `part`: neither, and a field of 8 words or more stands whole in a row, without the rest of the
  item: a premise or a passage, which splits of many sets share. The item is another one. Fields
  that over a tenth of the set's items share do not count.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.common.variants import drawn_name
from tuning_dynamics.data.items import Item, read_in_batches
from tuning_dynamics.data.text_windows import (
    WINDOW,
    Batch,
    Hashes,
    HashSet,
    Places,
    normal_words,
    parted,
    signed,
    squashed,
)

#: Words that tell an item by its fields alone, and that a field of `part` has.
LEAST_WORDS = 8

#: Letters that are hashed at once, in about 0.1 GB.
HASHED = 2_000_000

#: Rows that are read at once.
ROWS = 200

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """Rows that a model sees: the training rows of a dataset (`use` is `train`), or the first
    `most` demonstrations of its `draws`."""

    dataset: str
    use: str
    most: int | None = None
    draws: tuple[int, ...] = (0,)

    @property
    def files(self) -> list[str]:
        """The names of the files of frozen items that have its rows."""
        return [drawn_name(self.dataset, draw) for draw in self.draws]

    def rows(self, path: str) -> Iterator[Item]:
        """Its rows in one of its files; errors as for `read_in_batches`."""
        batches = read_in_batches(path, self.use, ROWS)
        return islice((item for batch in batches for item in batch), self.most)


@dataclass(frozen=True)
class Overlap:
    """How many of an evaluated set's items stand in a source's rows; `example` is one's id."""

    exact: int
    near: int
    part: int
    example: str


@dataclass(frozen=True)
class _Known:
    """An evaluated item: its place among all, the places of its fields' texts, its right answers,
    and whether its fields alone tell it from others."""

    place: int
    item: str
    texts: tuple[int, ...]
    answers: tuple[str, ...]
    alone: bool


@dataclass(frozen=True)
class _Found:
    """What of the evaluated items stands in a source: items, texts, n-grams."""

    items: Flags
    texts: Flags
    grams: Flags


class Index:
    """The evaluated items of several sets, in which rows are looked up.

    It takes about 80 bytes per word of the items, and 0.1 GB.
    """

    def __init__(self, sets: Mapping[str, Sequence[Item]]) -> None:
        self.texts: list[str] = []
        self.long: list[bool] = []
        self.common: list[bool] = []
        self.sets: dict[str, list[_Known]] = {}
        self._grams_of: dict[str, tuple[Hashes, Places]] = {}
        self._by_text: dict[int, list[_Known]] = defaultdict(list)
        self._short: dict[str, list[_Known]] = defaultdict(list)
        windows: list[tuple[Hashes, Places, Places]] = []
        for name, items in sets.items():
            words = self._add(name, items)
            grams, found = _hashed(words, len(self.texts) - len(words))
            self._grams_of[name] = _without_templates(*grams, len(words))
            windows.append(found)
        self._anchors, self._at = _anchors(windows)
        hashes = [hashes for hashes, _ in self._grams_of.values()]
        self._grams = HashSet(np.concatenate(hashes) if hashes else np.zeros(0, np.uint64))

    def _add(self, name: str, items: Sequence[Item]) -> list[list[str]]:
        """Add a set's items, and give the words of its texts, each once."""
        fields = [_fields(item) for item in items]
        often = Counter(text for own in fields for text in set(own))
        told = [[text for text in own if 2 * often[text] <= len(items)] or own for own in fields]
        same = Counter(map(frozenset, told))
        begin, places = len(self.texts), dict.fromkeys(text for own in told for text in own)
        place = {text: begin + number for number, text in enumerate(places)}
        words = {text: normal_words(text) for text in places}
        self.texts += map("".join, words.values())
        self.long += [len(own) >= LEAST_WORDS for own in words.values()]
        self.common += [often[text] > _most(len(items)) for text in places]
        self.sets[name] = []
        count = sum(map(len, self.sets.values()))
        for number, (item, own) in enumerate(zip(items, told, strict=True), start=count):
            alone = same[frozenset(own)] == 1 and sum(len(words[t]) for t in own) >= LEAST_WORDS
            answers = tuple("".join(normal_words(answer)) for answer in item.gold)
            texts = tuple(place[text] for text in own)
            known = _Known(number, item.item, texts, answers, alone)
            self.sets[name].append(known)
            self._enter(known, own)
        return list(words.values())

    def _enter(self, known: _Known, fields: Sequence[str]) -> None:
        """Make an item found by its longest field: within a text if it is long enough."""
        if not fields:
            return
        longest = max(range(len(fields)), key=lambda place: len(self.texts[known.texts[place]]))
        if len(self.texts[known.texts[longest]]) >= WINDOW:
            self._by_text[known.texts[longest]].append(known)
        else:
            self._short[signed(fields[longest])].append(known)

    def overlaps(self, rows: Iterable[Item], names: Iterable[str]) -> dict[str, Overlap]:
        """How many items of each named set stand in the rows."""
        found = self._found(rows)
        return {name: self._overlap(name, found) for name in names}

    def _found(self, rows: Iterable[Item]) -> _Found:
        items = sum(map(len, self.sets.values()))
        sizes = (items, len(self.texts), len(self._grams.hashes))
        found = _Found(*(np.zeros(size, np.bool_) for size in sizes))
        for own in _batches(rows):
            batch = Batch([_words(row) for row in own])
            _, grams = self._grams.found(batch.grams()[0])
            found.grams[grams] = True
            for number, text in self._whole_texts(batch):
                found.texts[text] = True
                self._compare(self._by_text.get(text, ()), own[number], found)
            for row in own if self._short else ():
                self._compare(self._short_items(row), row, found)
        return found

    def _whole_texts(self, batch: Batch) -> set[tuple[int, int]]:
        """The number of each row of a batch and the evaluated texts that it holds whole."""
        starts, anchors = self._anchors.found(batch.windows())
        rows = batch.text_at(starts)
        within = starts - batch.begins[rows]
        return {
            (row, text)
            for row, start, anchor in zip(
                rows.tolist(), within.tolist(), anchors.tolist(), strict=True
            )
            for text, offset in self._at[anchor]
            if start >= offset and batch.texts[row].startswith(self.texts[text], start - offset)
        }

    def _short_items(self, row: Item) -> Iterator[_Known]:
        """The items whose longest field is short, and a text or sentence of a row."""
        for text in _texts(row):
            for sentence in {text, *parted(text)}:
                # White space and signs take room that letters do not.
                if len(sentence) < 4 * WINDOW:
                    yield from self._short.get(signed(sentence), ())

    def _compare(self, items: Iterable[_Known], row: Item, found: _Found) -> None:
        """Note which of the items stand in a row."""
        left = [known for known in items if not found.items[known.place]]
        if left:
            said = _Said(_texts(row))
            for known in left:
                within = len(known.texts) == 1 or bool(row.messages)
                fields = [(self.texts[text], within and self.long[text]) for text in known.texts]
                rest = said.rest(fields)
                told = known.alone or any(answer in (rest or "") for answer in known.answers)
                found.items[known.place] = rest is not None and told

    def _overlap(self, name: str, found: _Found) -> Overlap:
        hashes, texts = self._grams_of[name]
        near = np.zeros(len(self.texts), np.bool_)
        near[texts[found.grams[self._grams.places(hashes)]]] = True
        near &= ~found.texts
        part = found.texts & np.array(self.long, np.bool_) & ~np.array(self.common, np.bool_)
        counts: dict[str, list[str]] = {"exact": [], "near": [], "part": []}
        for known in self.sets[name]:
            own = list(known.texts)
            if found.items[known.place]:
                counts["exact"].append(known.item)
            elif near[own].any():
                counts["near"].append(known.item)
            elif part[own].any():
                counts["part"].append(known.item)
        example = next((found[0] for found in counts.values() if found), "")
        return Overlap(**{kind: len(own) for kind, own in counts.items()}, example=example)


class _Said:
    """The joined text of a row, and the places where its sentences begin and end."""

    def __init__(self, texts: Sequence[str]) -> None:
        parts = [squashed(sentence) for text in texts for sentence in parted(text)]
        self.text = "".join(parts)
        self.edges = {0, *accumulate(map(len, parts))}

    def rest(self, fields: Iterable[tuple[str, bool]]) -> str | None:
        """What it says besides the fields; None if it does not hold all of them, apart from one
        another. Each is given with whether it may stand within a sentence."""
        edges, taken = set(self.edges), list[tuple[int, int]]()
        for text, within in sorted(fields, key=lambda field: -len(field[0])):
            for begin in _occurrences(text, self.text):
                end = begin + len(text)
                apart = all(end <= first or last <= begin for first, last in taken)
                if apart and (within or {begin, end} <= edges):
                    break
            else:
                return None
            taken.append((begin, end))
            edges |= {begin, end}
        ends = [0, *(place for span in sorted(taken) for place in span), len(self.text)]
        return "\n".join(self.text[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True))


def _occurrences(text: str, row: str) -> Iterator[int]:
    begin = row.find(text)
    while begin >= 0:
        yield begin
        begin = row.find(text, begin + 1)


def _fields(item: Item) -> list[str]:
    """The item's fields that say something."""
    return [text for text in item.fields.values() if signed(text)]


def _texts(row: Item) -> list[str]:
    """All texts of a row, which a model may see: fields, options, answers, turns."""
    turns = [message["content"] for message in row.messages]
    return [*row.fields.values(), *row.options, *row.gold, *turns]


def _words(row: Item) -> list[str]:
    return [word for text in _texts(row) for word in normal_words(text)]


def _batches(rows: Iterable[Item]) -> Iterator[list[Item]]:
    """The rows, some at a time."""
    batch: list[Item] = []
    letters = 0
    for row in rows:
        batch.append(row)
        letters += sum(map(len, _texts(row)))
        if letters >= HASHED:
            yield batch
            batch, letters = [], 0
    if batch:
        yield batch


def _hashed(
    words: Sequence[Sequence[str]], begin: int
) -> tuple[tuple[Hashes, Places], tuple[Hashes, Places, Places]]:
    """The n-grams of texts with the places of their texts, the first of which is `begin`; and
    windows of each text that don't overlap, with the place of the text and where they begin in it.
    """
    grams, windows = [_NO_GRAMS], [_NO_WINDOWS]
    for first in range(0, len(words), ROWS):
        batch = Batch(words[first : first + ROWS])
        hashes, owners = batch.grams()
        grams.append((hashes, owners + begin + first))
        counts = (batch.ends - batch.begins) // WINDOW
        owners = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = batch.begins[owners] + number * WINDOW
        windows.append((batch.windows()[starts], owners + begin + first, number * WINDOW))
    return _joined(grams), _joined(windows)


def _joined(parts: Sequence[tuple[Any, ...]]) -> Any:
    """Tuples of arrays as one tuple of their concatenations."""
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


_NO_HASHES, _NO_PLACES = np.zeros(0, np.uint64), np.zeros(0, np.int64)
_NO_GRAMS = (_NO_HASHES, _NO_PLACES)
_NO_WINDOWS = (_NO_HASHES, _NO_PLACES, _NO_PLACES)


def _most(count: int) -> float:
    """How many of `count` items or texts may share words that are no template."""
    return max(2, count / 10)


def _without_templates(hashes: Hashes, texts: Places, count: int) -> tuple[Hashes, Places]:
    """The n-grams of a set's `count` texts, each once per text, without those of over a tenth of
    the texts, if these are more than two."""
    order = np.lexsort((texts, hashes))
    hashes, texts = hashes[order], texts[order]
    once = np.ones(len(hashes), np.bool_)
    once[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
    hashes, texts = hashes[once], texts[once]
    _, place, often = np.unique(hashes, return_inverse=True, return_counts=True)
    own = often[place] <= _most(count)
    return hashes[own], texts[own]


def _anchors(
    windows: Sequence[tuple[Hashes, Places, Places]],
) -> tuple[HashSet, list[list[tuple[int, int]]]]:
    """The window of each text by which it is found, its rarest; for each the texts that have it,
    and where."""
    hashes, texts, offsets = _joined([_NO_WINDOWS, *windows])
    _, place, often = np.unique(hashes, return_inverse=True, return_counts=True)
    order = np.lexsort((offsets, often[place], texts))
    first = np.unique(texts[order], return_index=True)[1]
    chosen = order[first]
    anchors = HashSet(hashes[chosen])
    at: list[list[tuple[int, int]]] = [[] for _ in anchors.hashes]
    places = anchors.places(hashes[chosen]).tolist()
    for found, *text in zip(places, texts[chosen].tolist(), offsets[chosen].tolist(), strict=True):
        at[found].append((text[0], text[1]))
    return anchors, at
