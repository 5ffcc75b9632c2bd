"""Low-rank adapters train (Hu et al. 2022), with peft."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.base import Strict


class Lora(Strict):
    """Low-rank adapters (Hu et al. 2022), with peft."""

    r: PositiveInt = 8
    """Rank."""
    alpha: PositiveFloat = 16
    """Scale: the update is multiplied by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the adapter's input."""
    targets: Literal["all-linear"] | list[str] = "all-linear"
    """Modules that get an adapter."""


SETTINGS = Lora


def begin(model: Any, settings: Lora, seed: int) -> Any:
    """The model with a seeded adapter; only the adapter trains. StudyError where peft has none for
    the targets, such as parts of recurrent layers, or the model lacks them."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # any number works
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        linear = {name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
        raise StudyError(
            f"the model can't be given these adapters ({' '.join(str(error).split())})",
            key="train.lora.targets",
            value=settings.targets,
            fix="name in `targets` those modules that are to get an adapter; its linear ones are "
            + ", ".join(sorted({name.rpartition(".")[2] for name in linear})),
        ) from None


def end(model: Any) -> Any:
    """The model with its adapter added to the weights."""
    return model.merge_and_unload()


def save_adapter(model: Any, weights: dict[str, Any], folder: Path) -> None:
    """Write the adapter; its config lists its targets sorted, unlike peft's unordered set."""
    model.save_pretrained(str(folder), state_dict=weights)
    config = folder / "adapter_config.json"
    described = read_json(config)
    write_json(config, {**described, "target_modules": sorted(described["target_modules"])})


def trained_weights(size: Any, settings: Lora) -> float:
    """Approximate number of weights of an adapter on all linear layers: 23 r d L.

    Four d x d matrices and three d x 4d matrices per layer, r (in + out) each.
    """
    return 23.0 * settings.r * float(size.hidden_size) * float(size.layers)
