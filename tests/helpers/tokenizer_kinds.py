"""Tokenizers of the kinds that causal language models have, trained on a few sentences.

All know the special tokens of SPECIAL; those with a beginning put `<s>` before each text.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tiny import SENTENCES
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
TEXTS = [*SENTENCES, "the price is 5 yes no red blue green", "What is it ? It is red ."] * 6
BYTES = pre_tokenizers.ByteLevel.alphabet()


def byte_level(**flags: bool) -> Tokenizer:
    """As GPT-2's and OLMo's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special: list[Any] = [AddedToken(name, special=True, **flags) for name in SPECIAL]
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=500, special_tokens=special, initial_alphabet=BYTES, show_progress=False
        ),
    )
    return tokenizer


def tiktoken_like() -> Tokenizer:
    """As Llama 3's and Qwen's: its special tokens come after its words."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    words = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=500, initial_alphabet=BYTES, show_progress=False),
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def sentencepiece(prefix: str, *, normalized: bool = False) -> Tokenizer:
    """As Llama 2's: a space before the text (`each` part, the `first`, `none`), byte fallback."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special: list[Any] = [AddedToken(n, special=True, normalized=normalized) for n in SPECIAL]
    trained.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    )
    described = json.loads(trained.to_str())
    vocabulary = described["model"]["vocab"]
    for piece in (*(f"<0x{byte:02X}>" for byte in range(256)), "▁"):
        vocabulary.setdefault(piece, len(vocabulary))
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    parts = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    before = {"type": "Prepend", "prepend": "▁"}
    described["pre_tokenizer"] = parts if prefix == "first" else None
    described["normalizer"] = {
        "each": {"type": "Sequence", "normalizers": [before, space]},
        "first": None,
        "none": space,
    }[prefix]
    tokenizer = Tokenizer.from_str(json.dumps(described))
    strip = decoders.Strip(" ", 1 if prefix != "none" else 0, 0)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", SPECIAL.index("<s>"))]
    )
    return tokenizer


def unigram() -> Tokenizer:
    """As XGLM's: its model itself takes the names of special tokens for these."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special: list[Any] = list(SPECIAL)
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
        ),
    )
    return tokenizer


def wordpiece() -> Tokenizer:
    """As BERT's: in lower case, with a token for words that it does not know."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special: list[Any] = list(SPECIAL)
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False),
    )
    return tokenizer


#: By name.
KINDS: dict[str, Callable[[], Tokenizer]] = {
    "byte_level": byte_level,
    "byte_level, normalised names": lambda: byte_level(normalized=True),
    "byte_level, spaces go": lambda: byte_level(lstrip=True, rstrip=True),
    "byte_level, names are words": lambda: byte_level(single_word=True),
    "tiktoken_like": tiktoken_like,
    "sentencepiece, spaces in each part": lambda: sentencepiece("each"),
    "sentencepiece, normalised names": lambda: sentencepiece("each", normalized=True),
    "sentencepiece, a first space": lambda: sentencepiece("first"),
    "sentencepiece, no space": lambda: sentencepiece("none"),
    "unigram": unigram,
    "wordpiece": wordpiece,
}


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    """The tokenizer of a kind. Not to be changed."""
    return KINDS[kind]()
