"""The files of a checkpoint's folder that define its model and its tokenizer."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import UnavailableError

#: Files of the tokenizer.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)

#: All files that a model is read from: its weights or an adapter's, and their configuration.
_MODEL = re.compile(
    r".*\.safetensors|pytorch_model.*\.bin|config\.json|generation_config\.json|"
    r"adapter_config\.json|model\.safetensors\.index\.json|"
    + "|".join(map(re.escape, TOKENIZER_FILES))
)

#: Keys under which architectures state their context length, in tokens.
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")

#: Keys of a model's config that training data depends on.
_FOR_TEXT = ("eos_token_id", *CONTEXT_KEYS, "model_type")


def model_files(folder: Path) -> list[str]:
    """Names of the files of a folder that a model is read from; none if it is not a folder."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if _MODEL.fullmatch(path.name))
    safe = any(name.endswith(".safetensors") for name in names)
    # Pickled weights are read only if there are no others.
    return [name for name in names if not (safe and name.endswith(".bin"))]


def tokenizer_files(folder: Path) -> list[str]:
    """Names of the files of a folder that its tokenizer is read from."""
    return [name for name in model_files(folder) if name in TOKENIZER_FILES]


def read_config(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint's folder; UnavailableError if it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unread(path, "the file is missing", "check the path") from None
    except (ValueError, RecursionError) as error:
        raise _unread(path, f"the file is not JSON ({error})", "get the file again") from None
    if not isinstance(found, dict):
        raise _unread(path, f"the file holds a {type(found).__name__}", "get the file again")
    return found


def _unread(path: Path, why: str, fix: str) -> UnavailableError:
    return UnavailableError(
        f"the checkpoint's {path.name} can't be read: {why}", file=path, fix=fix
    )


def stated_context(config: Mapping[str, Any]) -> int | None:
    """The context length that a config.json states, under whatever name; None if it states none.

    Of a model of several parts it is that of its text model.
    """
    for part in (config.get("text_config") or {}, config):
        for key in CONTEXT_KEYS:
            length = part.get(key)
            if isinstance(length, int) and length > 0:
                return length
    return None


def config_for_text(folder: Path) -> dict[str, Any]:
    """The keys of a folder's config.json that training data depends on, and the end-of-text tokens
    of its generation_config.json if they are others; none if these can't be read: the job that
    reads them says why."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = {name: config[name] for name in _FOR_TEXT if name in config}
        generation = folder / "generation_config.json"
        if generation.is_file():
            ends = json.loads(generation.read_text(encoding="utf-8")).get("eos_token_id")
            if ends not in (None, config.get("eos_token_id")):
                found["generation_eos_token_id"] = ends
        return found
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
