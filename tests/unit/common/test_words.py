# ruff: noqa: RUF001
"""Words of any script: rouge_score's on ASCII text, whole words with their marks elsewhere."""

import random
import string

import pytest
from rouge_score.tokenize import tokenize

from tuning_dynamics.common.words import runs, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World_1!", ["hello", "world", "1"]),
        ("la résumé d’été", ["la", "résumé", "d", "été"]),
        ("re\u0301sume\u0301", ["résumé"]),
        ("हाँ, नहीं।", ["हाँ", "नहीं"]),
        ("हो सकता है", ["हो", "सकता", "है"]),
        ("مَرْحَبًا بالعالم", ["مَرْحَبًا", "بالعالم"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("Καλημέρα κόσμε", ["καλημέρα", "κόσμε"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("我喜欢猫。OK?", ["我", "喜", "欢", "猫", "ok"]),
        ("ひらがなです", ["ひ", "ら", "が", "な", "で", "す"]),
        ("\uff88\uff7a", ["\uff88", "\uff7a"]),  # half-width katakana
        ("ดีครับ", ["ดี", "ค", "รั", "บ"]),
        ("—…!", []),
    ],
)
def test_words_of_a_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_words_of_ascii_text_are_those_of_rouge_score() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        text = "".join(rng.choices(string.printable, k=40))
        assert words(text) == runs(text) == list(tokenize(text, None))
