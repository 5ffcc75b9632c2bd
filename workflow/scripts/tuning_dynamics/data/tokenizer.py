"""Text to token ids and back, with the tokenizer in a checkpoint's folder."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.common.model_files import CONTEXT_KEYS, read_config, stated_context
from tuning_dynamics.data.special_tokens import QUOTE, Read, SpecialTokens


@dataclass(frozen=True)
class Encoder:
    """A checkpoint's tokenizer: `tokenizer.json` with its beginning and end-of-text ids.

    `eos` is what training writes at the end of a text, `ends` are all ids that end one. A text
    may hold quotes, put there by `special.quoted`.
    """

    tokenizer: Tokenizer
    beginning: tuple[int, ...]
    eos: int
    ends: frozenset[int] = frozenset()

    @cached_property
    def special(self) -> SpecialTokens:
        """The tokens that are no text."""
        return SpecialTokens(self.tokenizer, {self.eos, *self.ends, *self.beginning})

    @cached_property
    def ends_of_answers(self) -> frozenset[int]:
        """Tokens that end an answer: those that end a text, and all others that are no text, such
        as the end of a turn."""
        return self.special.marks | self.ends | {self.eos}

    def ids(self, text: str) -> list[int]:
        """Ids of a text, without the tokens that the tokenizer adds to it."""
        return self.all_ids([text])[0]

    def all_ids(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text, many at once; StudyError if an item's text becomes a special token."""
        encoded = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [
            self.special.read(text)[0] if QUOTE in text else self.special.checked(one.ids, text)
            for text, one in zip(texts, encoded, strict=True)
        ]

    def all_ids_and_places(self, texts: list[str]) -> list[Read]:
        """Ids of each text, and the characters [start, end) of each id; StudyError as above."""
        encoded = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [
            self.special.read(text)
            if QUOTE in text
            else (self.special.checked(one.ids, text), one.offsets)
            for text, one in zip(texts, encoded, strict=True)
        ]

    def prompt(self, text: str) -> list[int]:
        """Ids of a prompt, with the tokens that the tokenizer puts at the beginning of a text."""
        return [*self.beginning, *self.ids(text)]

    def decode(self, ids: list[int]) -> str:
        """Text of ids; a special token among them parts words and is not shown."""
        text = ""
        for special, part in groupby(ids, self.special.ids.__contains__):
            more = "" if special else self.tokenizer.decode(list(part), skip_special_tokens=False)
            apart = not text or not more or text[-1].isspace() or more[0].isspace()
            text += more if apart else f" {more}"
        return text


def load_encoder(folder: str | Path) -> Encoder:
    """The encoder of a checkpoint's folder: `tokenizer.json`, end-of-text from `config.json`."""
    folder = Path(folder)
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise StudyError(
            "the checkpoint has no fast tokenizer",
            file=path,
            key="tokenizer.json",
            value=sorted(file.name for file in folder.iterdir()),
            fix="save one with AutoTokenizer.from_pretrained(…).save_pretrained(folder)",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library's errors have no class of their own
        raise UnavailableError(
            f"the checkpoint's tokenizer cannot be read ({' '.join(str(error).split())})",
            file=path,
            fix="save it again, or use a version of tokenizers that reads it (envs/train.yaml)",
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ends = frozenset(_ends(folder, tokenizer))
    return Encoder(tokenizer, _beginning(tokenizer), _eos(folder), ends)


def _beginning(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens that a tokenizer puts before a text. It may be the end-of-text token, as OPT's
    is; what some append must not follow a prompt."""
    encoded = tokenizer.encode("a")
    added = encoded.special_tokens_mask
    first = added.index(0) if 0 in added else len(added)
    return tuple(encoded.ids[:first])


def context_of(folder: Path) -> int:
    """The longest text in tokens that a folder's model takes; StudyError if it names none."""
    path = folder / "config.json"
    try:
        stated = stated_context(read_config(path))
        return _context_by_transformers(folder) if stated is None else stated
    except (OSError, ValueError) as error:  # another version of transformers may read it
        raise UnavailableError(
            f"the checkpoint's config cannot be read ({' '.join(str(error).split())})",
            file=path,
            fix="fix it, or use a version of transformers that knows the model (envs/train.yaml)",
        ) from None
    except (AttributeError, TypeError):
        raise StudyError(
            "the checkpoint's config states no context length, under any of its names",
            file=path,
            key="max_position_embeddings",
            value=list(CONTEXT_KEYS),
            fix="add max_position_embeddings to config.json: the longest text in tokens that the "
            "model was pre-trained on",
        ) from None


def _context_by_transformers(folder: Path) -> int:
    """The same for a config with its own name for the key; the import takes two seconds."""
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    return int(config.max_position_embeddings)


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 of how a folder's tokenizer encodes text: it ignores the file's layout, its version,
    and padding and truncation."""
    described = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    kept = {k: v for k, v in described.items() if k not in ("version", "truncation", "padding")}
    text = json.dumps([kept, _eos(folder)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _eos(folder: Path) -> int:
    named = _named_ends(folder / "config.json")
    if not named:
        raise StudyError(
            "the checkpoint's config names no end-of-text token",
            file=folder / "config.json",
            key="eos_token_id",
            fix="add eos_token_id to config.json",
        )
    return named[0]


def _ends(folder: Path, tokenizer: Tokenizer) -> set[int]:
    """All ids that end a text, by config.json, and by generation_config.json and
    tokenizer_config.json if they are there."""
    generation, own = folder / "generation_config.json", folder / "tokenizer_config.json"
    more = _named_ends(generation) if generation.is_file() else []
    named = _tokenizers_end(own, tokenizer) if own.is_file() else []
    return {*_named_ends(folder / "config.json"), *more, *named}


def _tokenizers_end(path: Path, tokenizer: Tokenizer) -> list[int]:
    value = read_config(path).get("eos_token")
    name = value.get("content") if isinstance(value, dict) else value
    if name is None:
        return []
    token = tokenizer.token_to_id(name)
    if token is None:
        raise StudyError(
            "the tokenizer names an end-of-text token that it does not have",
            file=path,
            key="eos_token",
            value=name,
            fix="name a token of tokenizer.json",
        )
    return [token]


def _named_ends(path: Path) -> list[int]:
    value = read_config(path).get("eos_token_id")
    found = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(token, int) for token in found):
        raise StudyError(
            "an end-of-text token is not an id",
            file=path,
            key="eos_token_id",
            value=value,
            fix="write a token's number, or a list of them",
        )
    return found
