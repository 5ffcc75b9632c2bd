"""Text to token ids and back, with the tokenizer in a checkpoint's folder."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from tuning_dynamics.common.errors import StudyError, UnavailableError


@dataclass(frozen=True)
class Encoder:
    """A checkpoint's tokenizer: `tokenizer.json` with its beginning and end-of-text ids."""

    tokenizer: Tokenizer
    beginning: tuple[int, ...]
    eos: int

    def ids(self, text: str) -> list[int]:
        """Ids of a text, without special tokens."""
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def all_ids(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text, many at once."""
        encoded = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [one.ids for one in encoded]

    def all_ids_and_places(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids of each text, and the characters [start, end) of each id."""
        encoded = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [(one.ids, one.offsets) for one in encoded]

    def prompt(self, text: str) -> list[int]:
        """Ids of a prompt, with the tokens that the tokenizer puts at the beginning of a text."""
        return [*self.beginning, *self.ids(text)]

    def decode(self, ids: list[int]) -> str:
        """Text of ids, without special tokens."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
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
    # The tokens added to an empty text are those at a beginning; the end-of-text token that
    # some tokenizers append must not follow a prompt.
    eos = _eos(folder)
    around: list[int] = tokenizer.encode("").ids
    return Encoder(tokenizer, tuple(token for token in around if token != eos), eos)


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 of how a folder's tokenizer encodes text: it ignores the file's layout, its version,
    and padding and truncation."""
    described = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    kept = {k: v for k, v in described.items() if k not in ("version", "truncation", "padding")}
    text = json.dumps([kept, _eos(folder)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _eos(folder: Path) -> int:
    path = folder / "config.json"
    value = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, int):
        raise StudyError(
            "the checkpoint's config names no end-of-text token",
            file=path,
            key="eos_token_id",
            value=value,
            fix="add eos_token_id to config.json",
        )
    return first
