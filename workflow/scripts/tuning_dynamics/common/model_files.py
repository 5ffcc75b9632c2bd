"""The files of a checkpoint's folder that define its model and its tokenizer."""

import json
import re
from pathlib import Path
from typing import Any

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

#: Keys of a model's config that training data depends on.
_FOR_TEXT = ("eos_token_id", "max_position_embeddings", "n_positions", "model_type")


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


def config_for_text(folder: Path) -> dict[str, Any]:
    """The keys of a folder's config.json that training data depends on; none if it can't be read:
    the job that reads it says why."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return {name: config[name] for name in _FOR_TEXT if name in config}
    except (OSError, ValueError, TypeError):
        return {}
