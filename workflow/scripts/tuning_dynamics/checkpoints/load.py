"""Load weights, and refuse those that would silently be another model."""

import json
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.common.errors import StudyError


def load_model(
    folder: Path,
    adapter: Path | None,
    device: torch.device,
    *,
    pickled: bool = False,
    dtype: torch.dtype = torch.float32,
) -> torch.nn.Module:
    """The causal language model in a Hugging Face folder, in `dtype`, eval mode, on `device`.

    `adapter` names a LoRA folder that is merged into the weights; with `pickled`, a folder
    without safetensors is read from its .bin files, as weights only. StudyError for damaged
    files, missing or unexpected keys, a class other than the config's, remote code, or weights
    that are not finite.
    """
    # Adapters are added to the weights in full precision.
    read_in = torch.float32 if adapter else dtype
    # On the device first: merging an adapter and checking for non-finite values is faster there.
    model: Any = _from_folder(folder, pickled=pickled, dtype=read_in).to(device)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(
            model, str(adapter), torch_device=str(device)
        ).merge_and_unload()
        for parameter in model.parameters():
            # Not the buffers: rotary angles would lose precision.
            parameter.data = parameter.data.to(dtype)
    _refuse_non_finite(model, adapter or folder)
    ready: torch.nn.Module = model.eval()
    return ready


def _from_folder(folder: Path, *, pickled: bool, dtype: torch.dtype) -> Any:
    from pickle import UnpicklingError

    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    safe = _require_weights(folder, pickled=pickled)
    _refuse_remote_code(folder)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            use_safetensors=safe,
            weights_only=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            # Reported with their shapes, and refused.
            ignore_mismatched_sizes=True,
        )
    except (SafetensorError, UnpicklingError, OSError, ValueError, RuntimeError) as error:
        raise StudyError(
            "the weights cannot be loaded",
            file=folder,
            key="*.safetensors",
            value=" ".join(str(error).split()),
            fix="the files are damaged, incomplete or of another architecture: get them again",
        ) from None
    model, report = loaded
    _refuse_other_keys(report, folder)
    _refuse_other_class(model, folder)
    return model


def _require_weights(folder: Path, *, pickled: bool) -> bool:
    """Whether the folder's weights are safetensors; StudyError if none may be read."""
    if not (folder / "config.json").is_file():
        raise StudyError(
            "the checkpoint's folder has no config.json",
            file=folder,
            key="config.json",
            value=sorted(path.name for path in folder.iterdir()),
            fix="check the path",
        )
    if list(folder.glob("*.safetensors")):
        return True
    if not (pickled and list(folder.glob("pytorch_model*.bin"))):
        raise StudyError(
            "the checkpoint has no safetensors weights",
            file=folder,
            key="*.safetensors",
            value=sorted(path.name for path in folder.iterdir()),
            fix="convert it with save_pretrained; pickled weights can run code and are not read",
        )
    return False


def _refuse_remote_code(folder: Path) -> None:
    from transformers import CONFIG_MAPPING

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING:
        raise StudyError(
            "the model needs code from its repository, which is never run",
            file=folder / "config.json",
            key="model_type",
            value=config.get("model_type"),
            fix="use a checkpoint of an architecture that transformers has itself",
        )


def _refuse_other_keys(report: dict[str, Any], folder: Path) -> None:
    for kind in ("mismatched_keys", "missing_keys", "unexpected_keys"):
        keys = sorted(map(str, report.get(kind, ())))
        if keys:
            raise StudyError(
                f"the weights do not fit the model: {len(keys)} {kind.replace('_', ' ')}",
                file=folder,
                key=kind,
                value=keys[:5],
                fix="missing weights would be random: use the checkpoint's own class and config",
            )


def _refuse_other_class(model: torch.nn.Module, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = config.get("architectures") or []
    if named and type(model).__name__ not in named:
        raise StudyError(
            f"the config names {named}, but the weights load as {type(model).__name__}",
            file=folder / "config.json",
            key="architectures",
            value=named,
            fix="use a checkpoint of a causal language model with a matching config",
        )


def _refuse_non_finite(model: torch.nn.Module, source: Path) -> None:
    named = [(name, parameter.detach()) for name, parameter in model.named_parameters()]
    # A non-finite value makes the sum non-finite. Sums take a tenth of the time of a check of each
    # value, which is only needed when a sum overflows.
    if torch.stack([values.sum(dtype=torch.float32) for _, values in named]).isfinite().all():
        return
    for name, values in named:
        if not values.isfinite().all():
            raise StudyError(
                "the weights hold values that are not finite",
                file=source,
                key="tensor",
                value=name,
                fix="the checkpoint diverged or is damaged: leave it out or get it again",
            )
