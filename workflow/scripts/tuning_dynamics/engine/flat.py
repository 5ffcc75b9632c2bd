"""Texts laid end to end in one row: no padding is computed, and no text sees another.

A batch of texts of 60 to 140 tokens, padded to the longest, is a third padding. Laid end to end,
everything but attention works on tokens alone; attention goes text by text. The head, which is
as large as a small model's layers together, is applied where a token is counted only.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from tuning_dynamics.engine.attention import attending, attends_to_all

#: Positions that a loss does not count.
IGNORED = -100

#: The name by which transformers knows `_text_by_text`.
_ATTENTION = "tuning_dynamics_text_by_text"


def _text_by_text(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    text_lengths: list[int],
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each text; transformers' signature: (1, heads, tokens, width)."""
    queries, keys, values = (states.split(text_lengths, dim=2) for states in (query, key, value))
    read = [
        sdpa_attention_forward(module, q, k, v, attention_mask, **rest)[0]
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return torch.cat(read, dim=1), None


AttentionInterface.register(_ATTENTION, _text_by_text)


@contextmanager
def laid_flat(model: torch.nn.Module) -> Iterator[bool]:
    """Have a model attend text by text while this is open; whether it can.

    A model that can't (see `attends_to_all`) reads one text at a time.
    """
    if attends_to_all(model):
        with attending(model, _ATTENTION):
            yield True
    else:
        yield False


def summed_loss(
    model: Any, ids: list[list[int]], targets: list[list[int]], device: torch.device, *, flat: bool
) -> torch.Tensor:
    """Summed cross-entropy in nats of the counted targets: a scalar that can be differentiated.

    `ids[i]` are the tokens of text i; `targets[i][t]` is what its position t must predict, or
    IGNORED. `flat` is what `laid_flat` says of the model. On a GPU the products are in bf16, the
    loss in fp32. At least one target must be counted.
    """
    if not flat and len(ids) > 1:
        alone = [
            summed_loss(model, [ids[text]], [targets[text]], device, flat=False)
            for text in range(len(ids))
            if any(target != IGNORED for target in targets[text])
        ]
        return torch.stack(alone).sum()
    lengths = [len(text) for text in ids]
    wanted = torch.tensor([target for text in targets for target in text])
    counted = (wanted != IGNORED).nonzero()[:, 0]
    on_gpu = device.type == "cuda"
    with torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
        logits = model(
            input_ids=_on(device, torch.tensor([[token for text in ids for token in text]])),
            position_ids=_on(device, torch.cat([torch.arange(n) for n in lengths])[None]),
            logits_to_keep=_on(device, counted),
            use_cache=False,
            **({"text_lengths": lengths} if flat else {}),
        ).logits
    return torch.nn.functional.cross_entropy(
        logits[0].float(), _on(device, wanted[counted]), reduction="sum"
    )


def _on(device: torch.device, values: torch.Tensor) -> torch.Tensor:
    """The same on the device; a GPU fetches them while the host goes on."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values
