"""What must hold of a checkpoint's folder before a GPU works with it.

Each check refuses a folder that would silently be another model, or that would end a later job
with a traceback. They are part of `verify` alone: a new check makes no trained result again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.model_files import read_config
from tuning_dynamics.data.tokenizer import Encoder, context_of

#: Keys of a config that would have other code compute the model, with the values that do not.
KERNEL_KEYS = {
    "attn_implementation": (None, "eager", "sdpa"),
    "_attn_implementation": (None, "eager", "sdpa"),
    "_attn_implementation_internal": (None, "eager", "sdpa"),
    "experts_implementation": (None, "eager"),
    "use_kernels": (None, False),
}

#: Types of weights in safetensors files that are no numbers by themselves: scales belong to them.
PACKED = ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "F6_E3M2", "I8", "U8", "I4", "U4")

#: The name of a model's weights where one file holds them.
WEIGHTS = "model.safetensors"

#: Texts whose ids must not depend on how the tokenizer is read.
TEXTS = ("Ada was born near the river.", " 12 houses\n\n  and a café:", "It rained")

#: The shortest context of use, in tokens: a prompt, and an answer with its end.
SHORTEST = 8

#: Embeddings without a token: some are padding, to a round number. More than a tenth of them, and
#: more than this many, means the tokenizer of another model.
PADDING = 1024


def check_folder(folder: Path) -> None:
    """StudyError unless a folder holds exactly one model, which transformers computes itself."""
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    _refuse_adapter(folder, weights)
    config = read_config(folder / "config.json")
    _refuse_other_weights(folder, weights)
    _refuse_unknown_model(folder, config)
    _refuse_quantised(folder, config, weights)
    for part in _parts(config):
        for key, allowed in KERNEL_KEYS.items():
            if part.get(key) not in allowed:
                raise _refusal(
                    "the config chooses code of its own for the model",
                    folder,
                    key,
                    part[key],
                    f"remove {key} from config.json",
                )


def _parts(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A config, and the configs in it."""
    yield config
    for value in config.values():
        if isinstance(value, dict):
            yield from _parts(value)


def _refuse_unknown_model(folder: Path, config: Mapping[str, Any]) -> None:
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    kind = config.get("model_type")
    # Code of the folder's own is refused where the model is loaded, in words of its own.
    known = isinstance(kind, str) and kind in CONFIG_MAPPING
    causal = known and CONFIG_MAPPING[str(kind)] in MODEL_FOR_CAUSAL_LM_MAPPING
    if not causal and (known or "auto_map" not in config):
        raise _refusal(
            "transformers has no causal language model of this type",
            folder,
            "model_type",
            kind,
            "use a causal language model; if it is one, name its type, or use a version of "
            "transformers that has it (envs/train.yaml)",
        )


def _refuse_quantised(folder: Path, config: Mapping[str, Any], weights: list[str]) -> None:
    what = "the weights are quantised"
    fix = "use the checkpoint in full precision: tuning and log-probabilities need it"
    for part in _parts(config):
        if how := part.get("quantization_config"):
            raise _refusal(what, folder, "quantization_config", how, fix)
    for name in weights:
        if packed := next(_packed(folder / name), None):
            raise StudyError(what, file=folder / name, key="dtype", value=packed, fix=fix)


def _packed(path: Path) -> Iterator[str]:
    """Matrices of a safetensors file that are stored in a packed type, with the type; none of a
    file that can't be read: loading it says why."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # not a mapping
                part = file.get_slice(name)
                # Masks, which some architectures keep among their weights, are bytes too.
                if part.get_dtype() in PACKED and name.endswith("weight"):
                    yield f"{name}: {part.get_dtype()}"
    except (SafetensorError, OSError):
        return


def _refuse_adapter(folder: Path, weights: list[str]) -> None:
    adapter = [path.name for path in folder.glob("adapter_*")]
    if not adapter:
        return
    whole = set(weights) - set(adapter)
    raise StudyError(
        f"the folder holds an adapter {'as well as a whole model' if whole else 'and no model'}",
        file=folder,
        key="adapter_config.json",
        value=sorted(adapter),
        fix="move the adapter elsewhere if the weights have it already; else merge it with "
        "peft's merge_and_unload and save the result",
    )


def _refuse_other_weights(folder: Path, weights: list[str]) -> None:
    """StudyError for files of weights that the folder's model is not read from."""
    indices = sorted(path.name for path in folder.glob("*.safetensors.index*.json"))
    named = _named_weights(folder) if f"{WEIGHTS}.index.json" in indices else {WEIGHTS}
    if len(indices) > 1 or (weights and set(weights) != named):
        raise StudyError(
            "the folder's weights are not one model's, under the names that are read",
            file=folder,
            key="*.safetensors",
            value={"there": [*weights, *indices], "read": sorted(named)[:5]},
            fix=f"keep the files of one model: {WEIGHTS}, or shards that {WEIGHTS}.index.json "
            "names; rename them if they have other names, and get those that are missing",
        )


def _named_weights(folder: Path) -> set[str]:
    """The files that a folder's index names."""
    index = folder / f"{WEIGHTS}.index.json"
    named = read_config(index).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise StudyError(
            "the index does not say in which file each tensor is",
            file=index,
            key="weight_map",
            value=named,
            fix="get the index again, or save the model again with save_pretrained",
        )
    return set(named.values())


def loaded(load: Callable[[], Any], folder: Path) -> Any:
    """What `load` returns; StudyError where a config of the folder has values with which the
    architecture's code can't make the model."""
    try:
        return load()
    except (StudyError, MemoryError):
        raise
    except Exception as error:  # whatever the code of an architecture raises
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        config = read_config(folder / "config.json")
        key = next((key for key in config if _blamed(key, config[key], error)), "model_type")
        raise _refusal(
            f"transformers can't make the model from its config ({said})",
            folder,
            key,
            config.get(key),
            "correct the value in config.json, or get the file again",
        ) from None


def _blamed(key: str, value: object, error: Exception) -> bool:
    """Whether an error names a key of a config, or is a look-up of its value."""
    return re.search(rf"\b{re.escape(key)}\b", str(error)) is not None or error.args == (value,)


def check_tokens(model: Any, encoder: Encoder, folder: Path) -> None:
    """StudyError if the tokenizer has ids that the model has no embedding for, or is far smaller
    than the model; if it does not know an end-of-text token; if no prompt fits the context."""
    rows = int(model.get_input_embeddings().weight.shape[0])
    ids = encoder.tokenizer.get_vocab(with_added_tokens=True).values()
    if max(ids) >= rows:
        raise _refusal(
            f"the tokenizer has ids up to {max(ids)}, the model {rows} embeddings",
            folder,
            "vocab_size",
            rows,
            "use the tokenizer that belongs to the checkpoint, or resize the embeddings and save "
            "the model again",
        )
    if max(ids) + 1 < min(0.9 * rows, rows - PADDING):
        raise _refusal(
            f"the tokenizer has ids up to {max(ids)} only, the model {rows} embeddings: it is "
            "probably another model's",
            folder,
            "vocab_size",
            rows,
            "use the tokenizer that belongs to the checkpoint; if this one does, save the model "
            "again after model.resize_token_embeddings(len(tokenizer))",
        )
    _require_known("eos_token_id", {encoder.eos, *encoder.ends}, encoder, folder)
    if (context := context_of(folder)) < SHORTEST:
        raise _refusal(
            f"the model's context is {context} tokens: no prompt fits",
            folder,
            "max_position_embeddings",
            context,
            "correct it: the longest text in tokens that the model was pre-trained on",
        )


def check_text(encoder: Encoder, folder: Path) -> None:
    """StudyError if the tokenizer as tokenizer_config.json describes it gives a text other ids than
    tokenizer.json alone, which all jobs read. What it appends does not count."""
    described = folder / "tokenizer_config.json"
    if not described.is_file():
        return
    from transformers import AutoTokenizer

    try:
        whole: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        ids = {text: list(whole(text)["input_ids"]) for text in TEXTS}
    except Exception as error:  # of a tokenizer's class, which may need packages of its own
        print(f"{described} is not used: {' '.join(str(error).split())[:300]}", flush=True)
        return
    for text in TEXTS:
        own = encoder.prompt(text)
        if ids[text][: len(own)] != own:
            raise StudyError(
                "tokenizer_config.json changes the ids that tokenizer.json gives a text",
                file=described,
                value={"text": text, "tokenizer.json": own, "with its config": ids[text]},
                fix="save both again with AutoTokenizer.from_pretrained(…).save_pretrained(folder)",
            )


def _require_known(key: str, ids: Iterable[int], encoder: Encoder, folder: Path) -> None:
    known = set(encoder.tokenizer.get_vocab(with_added_tokens=True).values())
    if unknown := sorted(set(ids) - known):
        raise _refusal(
            "an end-of-text id is not a token of the tokenizer",
            folder,
            key,
            unknown,
            "correct config.json or generation_config.json, or add the token to tokenizer.json",
        )


def _refusal(what: str, folder: Path, key: str, value: object, fix: str) -> StudyError:
    return StudyError(what, file=folder / "config.json", key=key, value=value, fix=fix)
