"""Evaluated items of several kinds, and ways in which they get into training data."""

import random
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, count

from tuning_dynamics.data.items import Item

Fields = dict[str, str]

#: Letters of the words of made-up texts, by script; Chinese has no spaces.
SCRIPTS = {
    "latin": "abcdefghijklmnoprstuvw",
    "accents": "aàbcdeéèêfghiïlmnoôöprsßtuü",
    "cyrillic": "абвгдежзийклмнопрстуюя",
    "devanagari": "कखगघचजटडतदनपबमयरलवसह",
}


class Writer:
    """Seeded texts of made-up words of a script; frequent words are frequent."""

    def __init__(self, script: str, seed: int, words: int = 3000) -> None:
        self.rng = random.Random(f"{script} {seed}")
        letters = SCRIPTS[script]
        self.words = ["".join(self.rng.choices(letters, k=size)) for size in self._sizes(words)]
        self.weights = list(accumulate(1 / (20 + rank) for rank in range(words)))

    def _sizes(self, words: int) -> list[int]:
        return [self.rng.randint(2, 9) for _ in range(words)]

    def sentence(self, words: int, end: str = ".") -> str:
        """A sentence with a comma."""
        drawn = self.rng.choices(self.words, cum_weights=self.weights, k=words)
        drawn[words // 2] += ","
        return " ".join(drawn).capitalize() + end

    def text(self, words: int) -> str:
        """Sentences of about twelve words."""
        return " ".join(self.sentence(12) for _ in range(max(1, words // 12)))


def pair(writer: Writer) -> tuple[Fields, list[str], list[str]]:
    """A premise and a short hypothesis."""
    label = writer.rng.choice(("entailment", "neutral", "contradiction"))
    return {"a": writer.sentence(16), "b": writer.sentence(6)}, [label], []


def text(writer: Writer) -> tuple[Fields, list[str], list[str]]:
    """A text and its gist."""
    return {"text": writer.text(60)}, [writer.sentence(10)], []


def question(writer: Writer) -> tuple[Fields, list[str], list[str]]:
    """A short question."""
    return {"question": writer.sentence(5, "?")}, [writer.sentence(2, "")], []


def reading(writer: Writer) -> tuple[Fields, list[str], list[str]]:
    """A passage and a question."""
    return {"passage": writer.text(48), "q": writer.sentence(6, "?")}, [writer.sentence(3, "")], []


def choice(writer: Writer) -> tuple[Fields, list[str], list[str]]:
    """The same question for all, with options of its own."""
    options = [writer.sentence(5) for _ in range(4)]
    return {"question": "Which of these is a sentence that is true?"}, options[:1], options


KINDS = {made.__name__: made for made in (pair, text, question, reading, choice)}


def items(kind: str, writer: Writer, number: int, split: str = "evaluation") -> list[Item]:
    """Items of a kind; those of one writer differ."""
    made = (KINDS[kind](writer) for _ in range(number))
    return [
        Item(f"{split}-{place}", split, f"{place}", fields, gold, options)
        for place, (fields, gold, options) in enumerate(made)
    ]


def _zero_width(text: str) -> str:
    return "\u200b".join(text[begin : begin + 4] for begin in range(0, len(text), 4))


def _full_width(text: str) -> str:
    return "".join(chr(ord(x) + 0xFEE0) if "!" <= x <= "~" else x for x in text)


#: Ways in which a text is the same to a reader.
WAYS: dict[str, Callable[[str], str]] = {
    "verbatim": lambda text: text,
    "case": lambda text: text.upper() if text.upper().casefold() == text.casefold() else text,
    "punctuation lost": lambda text: text.translate(dict.fromkeys(map(ord, string.punctuation))),
    "punctuation added": lambda text: text.replace(",", " -").replace(".", " !!") + '"',
    "white space": lambda text: "\n  " + text.replace(" ", " \t\u00a0"),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "full width": _full_width,
    "zero width": _zero_width,
}


@dataclass(frozen=True)
class Place:
    """How an item becomes a training row: with its answer, or without it."""

    row: Callable[[Item, Callable[[str], str], Writer], Item]
    answer: bool


_NUMBERS = count()


def _made(fields: Fields, gold: list[str], *turns: str) -> Item:
    roles = ("user", "assistant")
    messages = [{"role": role, "content": said} for role, said in zip(roles, turns, strict=False)]
    return Item(f"planted-{next(_NUMBERS)}", "train", "", fields, gold, [], messages)


def _fields(item: Item, way: Callable[[str], str], writer: Writer) -> Item:
    del writer
    return _made({name: way(text) for name, text in item.fields.items()}, [way(item.gold[0])])


def _others(item: Item, way: Callable[[str], str], writer: Writer) -> Item:
    """Under other names, in the other order, among further texts."""
    texts = [way(text) for text in [*item.fields.values()][::-1]]
    named = {f"x{number}": text for number, text in enumerate(texts)}
    return _made({**named, "note": writer.sentence(9)}, [way(item.gold[0])])


def _dialogue(item: Item, way: Callable[[str], str], writer: Writer) -> Item:
    asked = "\n".join(map(way, item.fields.values()))
    opening, closing = writer.sentence(8), writer.sentence(7)
    return _made({}, [], f"{opening} {asked}\n{closing}", f"{way(item.gold[0])}. {closing}")


def _unanswered(item: Item, way: Callable[[str], str], writer: Writer) -> Item:
    asked = "\n".join(map(way, item.fields.values()))
    return _made({}, [], f"{writer.sentence(8)} {asked}", writer.sentence(7))


PLACES = {
    "fields": Place(_fields, answer=True),
    "other fields": Place(_others, answer=True),
    "dialogue": Place(_dialogue, answer=True),
    "dialogue without the answer": Place(_unanswered, answer=False),
}


def planted(item: Item, place: str, way: str, writer: Writer) -> Item:
    """A training row that holds an item in some place and way."""
    return PLACES[place].row(item, WAYS[way], writer)


def tells_itself(kind: str) -> bool:
    """Whether items of a kind are told by their fields alone: they have 8 words or more, and
    differ."""
    return kind not in ("question", "choice")


def with_ngram(item: Item, writer: Writer, words: int = 13) -> Item:
    """A training row that shares so many words in a row with an item's longest field."""
    longest = max(item.fields.values(), key=len).split()
    begin = writer.rng.randint(0, len(longest) - words - 1)
    shared = " ".join(longest[begin : begin + words])
    # No word of the item's stands next to them.
    return _made({"text": f"{writer.sentence(9, '')} 0 {shared} 0 {writer.sentence(9)}"}, ["x"])
