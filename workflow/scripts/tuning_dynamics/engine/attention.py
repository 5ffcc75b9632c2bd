"""Which models may be given another attention, and giving it to them for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel


def attends_to_all(model: torch.nn.Module) -> bool:
    """Whether every layer of a transformers model attends to all that came before, by a function
    that can be replaced: not so where layers see a window or keep a running state, or where the
    longest text of a pass decides by what angles all are turned."""
    core = _core(model)
    kinds = set(_told(core, "layer_types") or ["full_attention"])
    windowed = kinds != {"full_attention"} or bool(_told(core, "sliding_window"))
    turned = (_told(core, "rope_parameters") or {}).get("rope_type") in ("dynamic", "longrope")
    return core._supports_attention_backend and not windowed and not turned


def _told(core: PreTrainedModel, name: str) -> Any:
    """What a model's config says under transformers' name or its own for the same; None for
    nothing."""
    return core.config.to_dict().get(core.config.attribute_map.get(name, name))


@contextmanager
def attending(model: torch.nn.Module, name: str) -> Iterator[None]:
    """Have a transformers model use the attention registered as `name` while this is open."""
    core = _core(model)
    before = core.config._attn_implementation
    core.set_attn_implementation(name)
    try:
        yield
    finally:
        core.set_attn_implementation(before)


def _core(model: torch.nn.Module) -> PreTrainedModel:
    """The transformers model itself, which an adapter may lie around."""
    return next(module for module in model.modules() if isinstance(module, PreTrainedModel))
