"""What must hold of a checkpoint's folder before a GPU works with it.

Each check refuses a folder that would silently be another model, or that would end a later job
with a traceback. They are part of `verify` alone: a new check makes no trained result again.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.tokenizer import Encoder

#: Keys of a config that would have other code compute the model, with the values that do not.
KERNEL_KEYS = {
    "attn_implementation": (None, "eager", "sdpa"),
    "_attn_implementation": (None, "eager", "sdpa"),
    "_attn_implementation_internal": (None, "eager", "sdpa"),
    "experts_implementation": (None, "eager"),
    "use_kernels": (None, False),
}


def check_folder(folder: Path) -> None:
    """StudyError unless a folder holds exactly one model, which transformers computes itself."""
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    _refuse_adapter(folder, weights)
    _refuse_other_weights(folder, weights)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("quantization_config"):
        raise _refusal(
            "the weights are quantised",
            folder,
            "quantization_config",
            config["quantization_config"],
            "use the checkpoint in full precision: tuning and log-probabilities need it",
        )
    for key, allowed in KERNEL_KEYS.items():
        if config.get(key) not in allowed:
            raise _refusal(
                "the config chooses code of its own for the model",
                folder,
                key,
                config[key],
                f"remove {key} from config.json",
            )


def _refuse_adapter(folder: Path, weights: list[str]) -> None:
    adapter = [path.name for path in folder.glob("adapter_*")]
    if adapter and set(weights) - set(adapter):
        raise StudyError(
            "the folder holds an adapter as well as a whole model",
            file=folder,
            key="adapter_config.json",
            value=sorted(adapter),
            fix="move the adapter elsewhere if the weights have it already; else merge it with "
            "peft's merge_and_unload and save the result",
        )


def _refuse_other_weights(folder: Path, weights: list[str]) -> None:
    """StudyError for files of weights that the folder's model is not read from."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        other, lacking = sorted(set(weights) - named), sorted(named - set(weights))
        if other or lacking:
            raise StudyError(
                "the folder's weights are not those that its index names",
                file=index,
                key="weight_map",
                value={"not named": other, "missing": lacking},
                fix="remove what is left of an earlier save, or get the missing files",
            )
    elif len(weights) > 1:
        raise StudyError(
            "the folder holds several files of weights and no index that says which are the model",
            file=folder,
            key="*.safetensors",
            value=weights,
            fix="keep the files of one model, with model.safetensors.index.json if it has several",
        )


def check_tokens(model: Any, encoder: Encoder, folder: Path) -> None:
    """StudyError if the tokenizer has ids that the model has no embedding for, or an end-of-text or
    beginning token that the tokenizer does not know."""
    rows = int(model.get_input_embeddings().weight.shape[0])
    largest = max(encoder.tokenizer.get_vocab(with_added_tokens=True).values())
    if largest >= rows:
        raise _refusal(
            f"the tokenizer has ids up to {largest}, the model {rows} embeddings",
            folder,
            "vocab_size",
            rows,
            "use the tokenizer that belongs to the checkpoint, or resize the embeddings and save "
            "the model again",
        )
    _require_known("eos_token_id", {encoder.eos, *encoder.ends}, encoder, folder)


def _require_known(key: str, ids: Iterable[int], encoder: Encoder, folder: Path) -> None:
    unknown = sorted(token for token in ids if encoder.tokenizer.id_to_token(token) is None)
    if unknown:
        raise _refusal(
            "an end-of-text id is not a token of the tokenizer",
            folder,
            key,
            unknown,
            "correct config.json or generation_config.json, or add the token to tokenizer.json",
        )


def _refusal(what: str, folder: Path, key: str, value: object, fix: str) -> StudyError:
    return StudyError(what, file=folder / "config.json", key=key, value=value, fix=fix)
