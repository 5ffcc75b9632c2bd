"""The files of a checkpoint's folder that say which model it is, and how text becomes tokens."""

import json
import re
from pathlib import Path
from typing import Any

#: What turns text into tokens.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)

#: All that a model is read from: weights, or an adapter's, and what says how they are used.
_MODEL = re.compile(
    r".*\.safetensors|pytorch_model.*\.bin|config\.json|generation_config\.json|"
    r"adapter_config\.json|model\.safetensors\.index\.json|"
    + "|".join(map(re.escape, TOKENIZER_FILES))
)

#: What training data takes of a model's config.
_FOR_TEXT = ("eos_token_id", "max_position_embeddings", "n_positions", "model_type")


def model_files(folder: Path) -> list[str]:
    """Names of the files of a folder that a model is read from; none where it is no folder."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if _MODEL.fullmatch(path.name))
    safe = any(name.endswith(".safetensors") for name in names)
    # Pickled weights are read only where there are no others.
    return [name for name in names if not (safe and name.endswith(".bin"))]


def tokenizer_files(folder: Path) -> list[str]:
    """Names of the files of a folder that its tokenizer is read from."""
    return [name for name in model_files(folder) if name in TOKENIZER_FILES]


def config_for_text(folder: Path) -> dict[str, Any]:
    """What training data takes of a folder's config.json; nothing where it can't be read: the
    job that reads it says why."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return {name: config[name] for name in _FOR_TEXT if name in config}
    except (OSError, ValueError, TypeError):
        return {}
