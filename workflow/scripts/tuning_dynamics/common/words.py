"""Words of a text in any script."""

import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator

#: Joiners and other marks within words that are not seen: they part nothing.
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d\u00ad\u2060\ufeff"))

#: Scripts that are written without spaces between words, by the beginning of their letters' names.
_UNSPACED = (
    *("CJK ", "HIRAGANA ", "KATAKANA ", "HALFWIDTH KATAKANA ", "BOPOMOFO ", "YI "),
    *("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN "),
)

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def runs(text: str) -> list[str]:
    """The runs of letters, marks and digits of a text, in lower case.

    A mark, such as an accent or a vowel sign, belongs to its word, however it is encoded.
    """
    kept = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in _lower(text))
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


def answer_words(text: str) -> list[str]:
    """The words of a short answer in lower case, as SQuAD's evaluation has them (Rajpurkar et al.
    2016): without punctuation, which parts no words, and without articles.

    Punctuation is that of ASCII and what Unicode calls so; scripts without spaces are split as in
    `words`.
    """
    kept = "".join(letter for letter in _lower(text) if not _is_punctuation(letter))
    return [word for run in _ARTICLES.sub(" ", kept).split() for word in _parted(run)]


#: By metric: the words of a text that it compares. Other metrics compare whole texts.
WORDS_OF: dict[str, Callable[[str], list[str]]] = {"rouge_l": words, "f1": answer_words}


def spelling(names: Iterable[str]) -> str:
    """The regular expression for any of these names, the longest that fits; for none, nothing."""
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)"


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower().translate(_JOINERS)


def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter)[0] == "P"


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
