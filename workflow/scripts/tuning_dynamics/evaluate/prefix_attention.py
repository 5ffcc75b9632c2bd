"""Attention over packed texts: each attends to the shared prefix and to itself.

The model sees one long row, so that no padding passes through its layers and its head is applied
only to the wanted tokens. Only attention needs to know where a text ends: it lays the texts out in
rows.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

#: This attention's name in transformers.
ATTENTION = "tuning_dynamics_rows"

#: Arguments that models pass but that have no effect here.
_WITHOUT_EFFECT = {
    *("position_ids", "use_cache", "dropout", "output_attentions", "output_router_logits"),
}


@dataclass
class KVCache:
    """Keys and values of each attention layer, (rows, key heads, room, head size), preallocated;
    value heads may differ in size from key heads.

    The first `filled` columns are written.
    """

    room: int
    filled: int = 0
    layers: dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def add(
        self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a pass' columns after the filled ones; return all keys and values so far."""
        end = self.filled + key.shape[2]
        if layer not in self.layers:
            self.layers[layer] = (
                key.new_empty(*key.shape[:2], self.room, key.shape[3]),
                value.new_empty(*value.shape[:2], self.room, value.shape[3]),
            )
        keys, values = self.layers[layer]
        keys[:, :, self.filled : end] = key
        values[:, :, self.filled : end] = value
        return keys[:, :, :end], values[:, :, :end]

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all other rows, layer by layer, so that memory never holds two full copies."""
        for layer, (keys, values) in self.layers.items():
            self.layers[layer] = (keys[rows], values[rows])


@dataclass(frozen=True)
class PackedBatch:
    """How the tokens of one pass are laid out in rows, and what they attend to.

    `sources` (count x width,) is the token at each place of the rows (any token at an empty place),
    and `places` (tokens,) each token's place; both are None if tokens fill the rows. `mask` (rows
    or 1, 1, width, columns) is true where a token sees a column of the rows themselves, None if
    it sees all before it. `shared` has the keys and values of the shared prefix, `kept` the rows'
    own.
    """

    count: int
    width: int
    sources: torch.Tensor | None = None
    places: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    shared: KVCache | None = None
    kept: KVCache | None = None

    def spread(self, states: torch.Tensor) -> torch.Tensor:
        """(1, heads, tokens, size) to (rows, heads, width, size)."""
        flat = states[0].transpose(0, 1)
        if self.sources is not None:
            flat = flat[self.sources]
        return flat.reshape(self.count, self.width, *flat.shape[1:]).transpose(1, 2)

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """(rows, heads, width, size) to (1, tokens, heads, size)."""
        flat = states.transpose(1, 2).flatten(0, 1)
        return (flat if self.places is None else flat[self.places])[None]


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    rows: PackedBatch,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """With transformers' signature; `attention_mask` is None, as `rows` has all masks."""
    del attention_mask
    unknown = [k for k, v in others.items() if v is not None and k not in _WITHOUT_EFFECT]
    if unknown:
        raise NotImplementedError(f"attention with {unknown}")
    query, key, value = rows.spread(query), rows.spread(key), rows.spread(value)
    if rows.kept is not None:
        key, value = rows.kept.add(module, key, value)
    if rows.shared is None:
        found = _kernel(query, key, value, rows.mask, scaling)
    else:
        shared_key, shared_value = rows.shared.layers[module]
        # With one token per row, time goes into reading shared keys, so read them once for all
        # rows. With many, it goes into the kernel.
        attend = _split_softmax if rows.width == 1 else _concatenated
        found = attend(rows, query, key, value, shared_key, shared_value, scaling)
    return rows.gather(found), None


def _kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
) -> torch.Tensor:
    """torch's own attention, causal without a mask.

    If several query heads share a key head, GPUs have no fast kernel that takes a mask: single
    queries are passed as several queries of one head; for many queries the keys are repeated.
    """
    rows, heads, width, size = query.shape
    groups = heads // key.shape[1]
    if width == 1:
        query = query.reshape(rows, key.shape[1], groups, size)
    elif groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    causal = mask is None and width > 1
    found = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, scale=scaling
    )
    return found.reshape(rows, heads, width, value.shape[3])


def _concatenated(
    rows: PackedBatch,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    shared_key: torch.Tensor,
    shared_value: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    """With one kernel, and the shared keys before each row's own."""
    start = shared_key.shape[2]
    key = torch.cat([shared_key.expand(rows.count, -1, -1, -1), key], 2)
    value = torch.cat([shared_value.expand(rows.count, -1, -1, -1), value], 2)
    if rows.mask is None:
        mask = query.new_ones(rows.width, key.shape[2], dtype=torch.bool).tril(start)
    else:
        mask = pad(rows.mask, (start, 0), value=True)
    return _kernel(query, key, value, mask, scaling)


def _split_softmax(
    rows: PackedBatch,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    shared_key: torch.Tensor,
    shared_value: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    """For one query per row: scores of shared and of own keys separately, then one softmax."""
    count, heads, _, size = query.shape
    key_heads, start = shared_key.shape[1:3]
    # Queries of the heads that share a key head, (rows, key heads, group, size).
    grouped = query.reshape(count, key_heads, heads // key_heads, size)
    own = grouped @ key.transpose(2, 3)
    if rows.mask is not None:
        own = own.masked_fill(~rows.mask, -torch.inf)
    together = grouped.transpose(0, 1).flatten(1, 2)
    shared = (together @ shared_key[0].transpose(1, 2)).unflatten(1, (count, -1)).transpose(0, 1)
    # In bfloat16 products are rounded once, as in transformers' own eager attention.
    scores = torch.cat([shared, own], -1).float() * (size**-0.5 if scaling is None else scaling)
    weights = scores.softmax(-1).to(query.dtype)
    part = weights[..., :start].transpose(0, 1).flatten(1, 2) @ shared_value[0]
    part = part.unflatten(1, (count, -1)).transpose(0, 1)
    found: torch.Tensor = part + weights[..., start:] @ value
    return found.reshape(count, heads, 1, value.shape[3])


AttentionInterface.register(ATTENTION, _attention)
