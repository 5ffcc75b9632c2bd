"""Texts compared by what they say: normalised, and hashed in windows of characters and words.

Hashes are polynomials modulo 2**64 of code points (Karp and Rabin 1987), computed for a batch of
texts at once; they are the same on every machine and in every process.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tuning_dynamics.common.words import unspaced

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

#: Words of an n-gram, as in the overlap analyses of GPT-3 (Brown et al. 2020, appendix C) and of
#: models after it.
NGRAM = 13

#: Characters of the windows by which a whole text is found within a longer one.
WINDOW = 24

#: An odd number without a pattern, and its inverse modulo 2**64.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)

#: Where a text is parted: after sentences of any script, at colons, semicolons and line breaks.
_ENDS = re.compile("[.!?:;\n\u0589\u061b\u061f\u06d4\u0964\u1362\u3002\uff01\uff1a\uff1b\uff1f]+")

#: A sign between digits, which is part of what a short text says.
_SIGN = re.compile(r"(?<=\d)\s*([-*/.\u2010-\u2014])\s*(?=\d)")
_SIGNS = dict.fromkeys("-\u2010\u2011\u2012\u2013\u2014", "\u2212") | {
    "*": "\u00d7",
    "/": "\u00f7",
    ".": "\u2219",
}


class _Kept(dict[int, str | None]):
    """What each character becomes: those of some Unicode categories stay, white space parts words,
    all others are left out."""

    def __init__(self, categories: str) -> None:
        self.categories = categories

    def __missing__(self, code: int) -> str | None:
        letter = chr(code)
        kept = letter if unicodedata.category(letter)[0] in self.categories else None
        if letter.isspace():
            kept = " "
        elif kept and unspaced(letter):
            kept = f" {letter}"
        self[code] = kept
        return kept


#: Letters, marks and digits; and with symbols.
_LETTERS, _AND_SYMBOLS = _Kept("LMN"), _Kept("LMNS")


def normal_words(text: str) -> list[str]:
    """The words of a text without case, punctuation, symbols, forms of Unicode (NFKC) and
    characters that are not seen; of scripts without spaces each letter is one."""
    return _plain(text).translate(_LETTERS).split()


def squashed(text: str) -> str:
    """The words of a text without spaces, which no punctuation or white space changes."""
    return "".join(normal_words(text))


def signed(text: str) -> str:
    """`squashed` with symbols and the signs between digits: 4 - 2, 4 / 2, 4 + 2 and 42 differ."""
    plain = _SIGN.sub(lambda found: _SIGNS[found[1]], _plain(text))
    return "".join(plain.translate(_AND_SYMBOLS).split())


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    # Folding may undo the form.
    return plain if plain.isascii() else unicodedata.normalize("NFKC", plain)


def parted(text: str) -> list[str]:
    """The sentences of a text, or the parts of one that a colon or semicolon parts."""
    return _ENDS.split(text)


class Batch:
    """Normalised texts, joined without spaces; `texts` are those of each, in order."""

    def __init__(self, words: Sequence[Sequence[str]]) -> None:
        self.texts = ["".join(own) for own in words]
        self.words = np.fromiter(map(len, words), np.int64, len(words))
        total = int(self.words.sum())
        lengths = np.fromiter(map(len, chain.from_iterable(words)), np.int64, total)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        sizes = np.fromiter(map(len, self.texts), np.int64, len(self.texts))
        self.ends = np.cumsum(sizes)
        self.begins = self.ends - sizes

    @cached_property
    def _prefixes(self) -> tuple[Hashes, Hashes]:
        """Hashes of all beginnings of the joined text, and the inverse of the base to each
        power."""
        codes = np.frombuffer("".join(self.texts).encode("utf-32-le"), np.uint32)
        powers = np.full(len(codes) + 1, _BASE, np.uint64)
        inverse = np.full(len(codes) + 1, _INVERSE, np.uint64)
        powers[0] = inverse[0] = 1
        np.cumprod(powers, out=powers)
        np.cumprod(inverse, out=inverse)
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum(codes * powers[:-1], out=sums[1:])
        return sums, inverse

    def _hashes(self, begins: Places, ends: Places) -> Hashes:
        sums, inverse = self._prefixes
        return _mixed((sums[ends] - sums[begins]) * inverse[begins])

    def windows(self) -> Hashes:
        """The hash of the WINDOW characters from each place of the joined text on that has as many
        after it; some reach into the next text."""
        sums, inverse = self._prefixes
        count = max(0, len(sums) - WINDOW)
        return _mixed((sums[WINDOW:] - sums[:count]) * inverse[:count])

    def text_at(self, places: Places) -> Places:
        """The number of the text at each place of the joined text."""
        return np.searchsorted(self.ends, places, side="right")

    def grams(self) -> tuple[Hashes, Places]:
        """The hash of each n-gram of NGRAM words of one text, and the number of its text."""
        counts = np.maximum(self.words - NGRAM + 1, 0)
        owners = np.repeat(np.arange(len(counts)), counts)
        shift = np.cumsum(self.words) - self.words - (np.cumsum(counts) - counts)
        first = np.arange(len(owners)) + np.repeat(shift, counts)
        return self._hashes(self._starts[first], self._starts[first + NGRAM]), owners


def _mixed(hashes: Hashes) -> Hashes:
    """Hashes whose high bits depend on all of theirs (the finaliser of SplitMix64)."""
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(29)
    return hashes


class HashSet:
    """Sorted hashes without repeats, in which others are looked up."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = np.unique(hashes)
        # A table by their first bits says of most others that they are not there; at most 128 MiB.
        bits = min(27, 4 + len(self.hashes).bit_length())
        self._shift = np.uint64(64 - bits)
        self._there = np.zeros(2**bits, np.bool_)
        self._there[(self.hashes >> self._shift).astype(np.int64)] = True

    def places(self, hashes: Hashes) -> Places:
        """The place of each hash, all of which are there."""
        return np.searchsorted(self.hashes, hashes)

    def found(self, hashes: Hashes) -> tuple[Places, Places]:
        """Which of `hashes` are there, and their places."""
        maybe = np.flatnonzero(self._there[(hashes >> self._shift).astype(np.int64)])
        if not len(self.hashes):
            return maybe[:0], maybe[:0]
        places = np.minimum(self.places(hashes[maybe]), len(self.hashes) - 1)
        there = self.hashes[places] == hashes[maybe]
        return maybe[there], places[there]
