"""Which models may use a replaced attention function, and a context that replaces it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel


def attends_to_all(model: torch.nn.Module) -> bool:
    """Whether every layer of a transformers model attends to all earlier tokens, with a function
    that can be replaced: not if layers see a window or keep a recurrent state, or if the longest
    text of a pass sets the rotary angles of all."""
    core = _core(model)
    kinds = set(_setting(core, "layer_types") or ["full_attention"])
    windowed = kinds != {"full_attention"} or bool(_setting(core, "sliding_window"))
    turned = (_setting(core, "rope_parameters") or {}).get("rope_type") in ("dynamic", "longrope")
    return core._supports_attention_backend and not windowed and not turned


def _setting(core: PreTrainedModel, name: str) -> Any:
    """A setting of a model's config, under transformers' name or the model's own; None if it has
    none."""
    return core.config.to_dict().get(core.config.attribute_map.get(name, name))


@contextmanager
def attending(model: torch.nn.Module, name: str) -> Iterator[None]:
    """Make a transformers model use the attention registered as `name` in the block."""
    core = _core(model)
    before = core.config._attn_implementation
    core.set_attn_implementation(name)
    try:
        yield
    finally:
        core.set_attn_implementation(before)


def _core(model: torch.nn.Module) -> PreTrainedModel:
    """The transformers model itself, which an adapter may wrap."""
    return next(module for module in model.modules() if isinstance(module, PreTrainedModel))
