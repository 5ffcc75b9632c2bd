"""FLOPs of training by the model's own mathematics, whatever else a loop computes."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from tuning_dynamics.engine.attention import attends_to_all


@dataclass(frozen=True)
class Read:
    """What was trained on: `tokens`, those that the loss `counted`, and `pairs` of a token and a
    token that it attends to, itself included."""

    tokens: int
    counted: int
    pairs: int


def pairs_in(length: int) -> int:
    """Pairs of tokens of which one attends to the other, in a text under a causal mask."""
    return length * (length + 1) // 2


def training_flops(model: torch.nn.Module, read: Read) -> float | None:
    """FLOPs of forward and backward passes over what was read, as in PaLM (Chowdhery et al. 2022,
    arXiv 2204.02311, appendix B: 6 N + 12 L H Q T a token), counting only what is needed.

    A weight of a matrix takes 6 per token: 2 forward, 2 for its input's gradient, 2 for its own;
    frozen weights in adapter training take 4. The head takes them only at counted targets,
    embedding lookup takes none, and attention takes 12 L H Q per pair; PaLM also counts the pairs
    that a causal mask leaves out. None if this does not describe the model: layers see a window or
    keep a recurrent state, or weights are not matrices (experts, of which a token uses a few).
    """
    weights = list(model.parameters())
    if not attends_to_all(model) or any(weight.ndim > 2 for weight in weights):
        return None
    core = next(module for module in model.modules() if isinstance(module, PreTrainedModel))
    head: torch.Tensor = core.get_output_embeddings().weight
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    outer = {id(weight) for weight in (head, *tables)}
    inner = [weight for weight in weights if weight.ndim == 2 and id(weight) not in outer]
    config = core.config
    width = config.to_dict().get("head_dim") or config.hidden_size // config.num_attention_heads
    attention = 12 * config.num_hidden_layers * config.num_attention_heads * width
    return float(
        sum(map(_flops, inner)) * read.tokens + _flops(head) * read.counted + attention * read.pairs
    )


def _flops(weight: torch.Tensor) -> int:
    """FLOPs of a matrix for one token."""
    return (6 if weight.requires_grad else 4) * weight.numel()
