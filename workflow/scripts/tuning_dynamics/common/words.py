"""Words of a text in any script."""

import unicodedata
from collections.abc import Iterator

#: Joiners and other marks within words that are not seen: they part nothing.
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d\u00ad\u2060\ufeff"))

#: Scripts that are written without spaces between words, by the beginning of their letters' names.
_UNSPACED = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ")


def runs(text: str) -> list[str]:
    """The runs of letters, marks and digits of a text, in lower case.

    A mark, such as an accent or a vowel sign, belongs to its word, however it is encoded.
    """
    plain = unicodedata.normalize("NFC", text).lower().translate(_JOINERS)
    kept = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in plain)
    return "".join(kept).split()


def words(text: str) -> list[str]:
    """The words of a text in lower case: its runs, of which scripts without spaces are split into
    letters, each with its marks.

    Of ASCII text these are the words of Google's `rouge_score`.
    """
    return [word for run in runs(text) for word in _parted(run)]


def unspaced(letter: str) -> bool:
    """Whether a letter is of a script that is written without spaces between words."""
    return unicodedata.name(letter, "").startswith(_UNSPACED)


def _parted(run: str) -> Iterator[str]:
    word, alone = "", False
    for letter in run:
        mark = unicodedata.category(letter)[0] == "M"
        parts = not mark and unspaced(letter)
        if word and (parts or alone) and not mark:
            yield word
            word = ""
        word += letter
        alone = alone if mark else parts
    yield word
