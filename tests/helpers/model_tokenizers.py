"""Small tokenizers of the kinds that checkpoints have, trained on a few sentences."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix import EVALUATED, LABELS, SHOWN, TRAIN
from tiny import SENTENCES
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers import normalizers as norm
from tokenizers.processors import TemplateProcessing

#: As in Llama 3 and in OpenAI's tiktoken.
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+"


@dataclass(frozen=True)
class Kind:
    """A tokenizer, the end-of-text ids of its model's config, and its own special tokens."""

    tokenizer: Tokenizer
    ends: int | list[int]
    marks: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write it as transformers does."""
        self.tokenizer.save(str(folder / "tokenizer.json"))
        described: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", **self.marks}
        (folder / "tokenizer_config.json").write_text(json.dumps(described))


def _texts() -> list[str]:
    items = [text for one in (*TRAIN, *EVALUATED, *SHOWN) for text in one.fields.values()]
    return [*SENTENCES, *items, *(f" {label}" for label in LABELS), "\nThen: ", "\nSo:"] * 3


def _byte_level(special: list[str], size: int = 400) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _trained(tokenizer, special, size)


def _trained(tokenizer: Tokenizer, special: list[str], size: int = 400) -> Tokenizer:
    bytes_ = pre_tokenizers.ByteLevel.alphabet()
    given = {"vocab_size": size, "special_tokens": special, "show_progress": False}
    trainer = trainers.BpeTrainer(initial_alphabet=bytes_, **given)
    tokenizer.train_from_iterator(_texts(), trainer)
    return tokenizer


def _begins(tokenizer: Tokenizer, template: str, *tokens: str) -> Tokenizer:
    named = [(token, tokenizer.token_to_id(token)) for token in tokens]
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=named)
    return tokenizer


def _sentencepiece(prefix: str) -> Tokenizer:
    """As converted from SentencePiece's BPE: bytes for what is unknown, spaces as a mark."""
    fallback = [f"<0x{number:02X}>" for number in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prefix, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(
        [*steps, *([decoders.Strip(" ", 1, 0)] if prefix != "never" else [])]
    )
    special = ["<unk>", "<s>", "</s>"]
    given = {"vocab_size": 600, "special_tokens": [*special, *fallback], "show_progress": False}
    words = [word for text in _texts() for word in text.replace(" ", " ▁").split(" ")]
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(**given))
    stored = json.loads(tokenizer.to_str())
    stored["added_tokens"] = [one for one in stored["added_tokens"] if one["content"] in special]
    return _begins(Tokenizer.from_str(json.dumps(stored)), "<s> $A", "<s>")


def byte_level() -> Kind:
    """GPT-2's: no beginning token."""
    return Kind(_byte_level(["<|endoftext|>"]), 0, {"eos_token": "<|endoftext|>"})


def sentencepiece_with_prefix() -> Kind:
    """Llama 2's: a text begins with a space that it does not have."""
    return Kind(_sentencepiece("first"), 2, {"bos_token": "<s>", "eos_token": "</s>"})


def sentencepiece_without_prefix() -> Kind:
    """Gemma's."""
    return Kind(_sentencepiece("never"), 2, {"bos_token": "<s>", "eos_token": "</s>"})


def beginning_is_end() -> Kind:
    """OPT's: `</s>` begins every text, and ends it."""
    tokenizer = _byte_level(["<pad>", "</s>"])
    marks = {"bos_token": "</s>", "eos_token": "</s>"}
    return Kind(_begins(tokenizer, "</s> $A", "</s>"), 1, marks)


def several_ends() -> Kind:
    """A chat model's: an end of text, and an end of turn."""
    tokenizer = _byte_level(["<|endoftext|>", "<|end|>"])
    return Kind(tokenizer, [1, 0, tokenizer.token_to_id("a")], {"eos_token": "<|end|>"})


def added_tokens() -> Kind:
    """Tokens added after training, special ones and plain ones, for which the model was resized."""
    tokenizer = _byte_level(["<|endoftext|>"])
    tokenizer.add_special_tokens(["<|user|>"])
    tokenizer.add_tokens([AddedToken(" near the", lstrip=False), "Then"])
    return Kind(tokenizer, 0, {"eos_token": "<|endoftext|>"})


def named_beginning_not_written() -> Kind:
    """Qwen's: it normalises text, and has a beginning token that no text begins with."""
    tokenizer = _byte_level(["<|endoftext|>", "<|begin|>"])
    tokenizer.normalizer = norm.NFC()
    return Kind(tokenizer, 0, {"bos_token": "<|begin|>", "eos_token": "<|endoftext|>"})


def wordpiece() -> Kind:
    """BERT's: whole words and `##` pieces, in lower case, with marks at both ends of a text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = norm.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[UNK]", "[CLS]", "[SEP]"]
    given = {"vocab_size": 200, "special_tokens": special, "show_progress": False}
    tokenizer.train_from_iterator(_texts(), trainers.WordPieceTrainer(**given))
    marks = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = _begins(tokenizer, "[CLS] $A [SEP]", "[CLS]", "[SEP]")
    return Kind(tokenizer, 2, {**marks, "eos_token": "[SEP]"})


def tiktoken() -> Kind:
    """Llama 3's: text is split by a pattern, words of the vocabulary are not merged from parts."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    tokenizer = _trained(tokenizer, special)
    marks = {"bos_token": special[0], "eos_token": special[1]}
    return Kind(_begins(tokenizer, f"{special[0]} $A", special[0]), [1, 2], marks)


KINDS: dict[str, Callable[[], Kind]] = {
    make.__name__: make
    for make in (
        *(byte_level, sentencepiece_with_prefix, sentencepiece_without_prefix, beginning_is_end),
        *(several_ends, added_tokens, named_beginning_not_written, wordpiece, tiktoken),
    )
}
