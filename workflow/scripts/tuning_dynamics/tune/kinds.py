"""What the kinds do that a recipe's stage names: trainable parameters, and regularisers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.registry import Kinds, kind_of
from tuning_dynamics.config.recipe import Lora, Stage
from tuning_dynamics.engine.penalties import Penalty, l2_to_start


@dataclass(frozen=True)
class Trainable:
    """A kind of trainable parameters.

    `begin` gives the model with these, and no others, set to train, from the kind's settings and
    a seed; `end` gives it as a later stage starts from it. `save_adapter` writes the weights of
    an adapter to a folder, None where the model's own weights train.
    """

    begin: Callable[[Any, Any, int], Any]
    end: Callable[[Any], Any]
    save_adapter: Callable[[Any, dict[str, torch.Tensor], Path], None] | None = None


def with_all(model: Any, settings: None, seed: int) -> Any:
    """The model with all its weights set to train."""
    del settings, seed
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def as_it_is(model: Any) -> Any:
    """The model."""
    return model


def with_adapter(model: Any, lora: Lora, seed: int) -> Any:
    """The model with a seeded LoRA adapter; only the adapter trains."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # any number works
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def without_adapter(model: Any) -> Any:
    """The model with its adapter added to the weights."""
    return model.merge_and_unload()


def save_lora(model: Any, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Write an adapter; its config lists its targets in order, where peft writes a set's own."""
    model.save_pretrained(str(folder), state_dict=weights)
    config = folder / "adapter_config.json"
    described = read_json(config)
    write_json(config, {**described, "target_modules": sorted(described["target_modules"])})


#: By the name in `train`.
TRAINABLE: Kinds[str, Trainable] = {
    "full": Trainable(with_all, as_it_is),
    "lora": Trainable(with_adapter, without_adapter, save_lora),
}

#: By the name in `reg`: the penalty for the kind's settings.
REGULARISERS: Kinds[str, Callable[[Any], Penalty | None]] = {
    "none": as_it_is,
    "l2_to_base": l2_to_start,
}


def trainable(stage: Stage) -> Trainable:
    """The kind of parameters that a stage trains."""
    return TRAINABLE[kind_of(stage.train)[0]]


def penalty(stage: Stage) -> Penalty | None:
    """The penalty that a stage adds to the loss; None for none."""
    name, settings = kind_of(stage.reg)
    return REGULARISERS[name](settings)
