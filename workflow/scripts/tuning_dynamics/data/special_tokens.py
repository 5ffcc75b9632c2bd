"""Special tokens: a template may write them, a text of an item only spells them.

A tokenizer takes `</s>` in a page of HTML for its end-of-text token. Here what an item's text
spells stays text (`quoted`), as in transformers with `sanitize_control_tokens`; texts that spell no
special token are encoded as ever.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from tokenizers import AddedToken, Tokenizer

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.words import spelling

#: Put around what spells a special token in an item's text; a noncharacter of Unicode.
QUOTE = "\ufdd0"

#: A character that no vocabulary has, also a noncharacter.
_UNKNOWN = "\U0010ffff"

#: Ids of a text, and the characters [start, end) of each.
Read = tuple[list[int], list[tuple[int, int]]]


class SpecialTokens:
    """The special tokens of a tokenizer, and those that begin or end its texts (`named`); white
    space is none of them.

    `ids` are all of them, `marks` all but the one that stands for unknown characters.
    """

    def __init__(self, tokenizer: Tokenizer, named: Iterable[int]) -> None:
        own = {*named}
        added = tokenizer.get_added_tokens_decoder().items()
        self._tokenizer = tokenizer
        self._added = {
            token: it for token, it in added if (it.special or token in own) and it.content.strip()
        }
        unknown = tokenizer.encode(_UNKNOWN, add_special_tokens=False).ids
        self.ids = frozenset(self._added)
        self.marks = self.ids - frozenset(unknown)
        names = spelling(self.names)
        # Some tokenizers ignore case; quoting a text that is no special token does no harm.
        self._spelled = re.compile(names, re.IGNORECASE)
        self._parts = re.compile(f"{QUOTE}(?P<quoted>.*?){QUOTE}|(?P<written>{names})", re.DOTALL)

    @property
    def names(self) -> list[str]:
        """What spells them, sorted."""
        return sorted(it.content for it in self._added.values())

    def spelled(self, text: str) -> bool:
        """Whether a text spells a special token."""
        return self._spelled.search(text) is not None

    def quoted(self, text: str) -> str:
        """An item's text as part of a prompt that `read` or `checked` gets."""
        if QUOTE in text:
            raise StudyError(
                "a text holds U+FDD0, which Unicode keeps out of texts",
                key="fields",
                value=text,
                fix="remove it with `clean`, or `drop` the row",
            )
        return self._spelled.sub(f"{QUOTE}\\g<0>{QUOTE}", text)

    def all_quoted(self, fields: Mapping[str, str]) -> dict[str, str]:
        """An item's fields, each `quoted`."""
        return {name: self.quoted(text) for name, text in fields.items()}

    def checked(self, ids: list[int], text: str) -> list[int]:
        """The ids of a text; StudyError if they have more special tokens than are written in it
        outside quotes: some vocabularies make them from text."""
        if self.marks.isdisjoint(ids):
            return ids
        written = sum(part["written"] is not None for part in self._parts.finditer(text))
        found = [token for token in ids if token in self.marks]
        if len(found) > written:
            raise StudyError(
                "the tokenizer makes a special token of an item's text",
                file="tokenizer.json",
                key=self._tokenizer.id_to_token(found[-1]),
                value=plain(text)[-300:],
                fix="replace what spells it with `clean` of the dataset, or `drop` such rows",
            )
        return ids

    def read(self, text: str) -> Read:
        """A text with quotes, encoded: what is quoted as text, what is not as ever."""
        shown, starts, ends = "", [], [0]
        for piece, places in self._pieces(text, self._written(text)):
            shown += piece
            starts += places
            ends += [place + 1 for place in places]
        tokenizer, stands_for = self._literal
        encoded = tokenizer.encode(shown, add_special_tokens=False)
        ids = [stands_for.get(token, token) for token in encoded.ids]
        starts.append(len(text))
        return self.checked(ids, text), [(starts[a], ends[b]) for a, b in encoded.offsets]

    def _written(self, text: str) -> set[int]:
        """Where the tokenizer finds special tokens in a text: not at each of their names, if they
        must be words of their own or were normalised."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        found = set()
        for token, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
            name = text[start:end]
            if token in self.ids and name.strip() == self._added[token].content.strip():
                found.add(start + len(name) - len(name.lstrip()))
        return found

    def _pieces(self, text: str, written: set[int]) -> Iterable[tuple[str, list[int]]]:
        """The text for `_literal`, in pieces, with the place in `text` of each character."""
        done = 0
        for part in self._parts.finditer(text):
            start, end = part.span()
            yield text[done:start], list(range(done, start))
            if part["quoted"] is not None:
                yield part["quoted"], list(range(start + 1, end - 1))
            elif start not in written:
                yield part["written"], list(range(start, end))
            else:
                yield _twin(part["written"]), [start, *range(start, end), end - 1]
            done = end
        yield text[done:], list(range(done, len(text)))

    def starts(self, text: str) -> list[int]:
        """The characters at which the tokens of an item's text begin, if it stands alone."""
        tokenizer = self._literal[0] if self.spelled(text) else self._tokenizer
        return [start for start, _ in tokenizer.encode(text, add_special_tokens=False).offsets]

    @cached_property
    def _literal(self) -> tuple[Tokenizer, dict[int, int]]:
        """A copy of the tokenizer to which special tokens are text, and their twins, by id: added
        tokens with another name, which part a text as special tokens do."""
        described = json.loads(self._tokenizer.to_str())
        for added in described["added_tokens"]:
            added["special"] = added["special"] or added["id"] in self._added
        literal = Tokenizer.from_str(json.dumps(described))
        literal.encode_special_tokens = True
        twins = {token: _twin(it.content) for token, it in self._added.items()}
        literal.add_tokens([_renamed(it, twins[token]) for token, it in self._added.items()])
        ids = literal.get_vocab(with_added_tokens=True)
        return literal, {ids[twin]: token for token, twin in twins.items()}


def plain(text: str) -> str:
    """A text without quotes."""
    return text.replace(QUOTE, "")


def _twin(name: str) -> str:
    return f"{QUOTE}{name}{QUOTE}"


def _renamed(token: AddedToken, name: str) -> AddedToken:
    # Where a name is a word of its own, and where not, `_written` has found.
    return AddedToken(
        name,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
        special=False,
    )
