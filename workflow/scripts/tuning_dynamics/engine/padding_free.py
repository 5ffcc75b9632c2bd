"""Texts packed end to end in one row: no padding is computed, and no text sees another.

A batch of texts of 60 to 140 tokens, padded to the longest, is a third padding. If texts are
packed, all but attention works token by token; attention goes text by text. The head, which is as
large as a small model's layers together, is applied only at counted tokens.
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

#: The name under which transformers knows `_text_by_text`.
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
def packed(model: torch.nn.Module) -> Iterator[bool]:
    """Make a model attend text by text in the block; yields whether it can.

    It can if its layers attend to all earlier tokens (see `attends_to_all`), and if two short
    packed texts give what each gives alone. Otherwise it reads one text at a time.
    """
    if attends_to_all(model) and _reads_apart(model):
        with attending(model, _ATTENTION):
            yield True
    else:
        print(f"{type(model).__name__}: texts are read one at a time", flush=True)
        yield False


@torch.no_grad()
def _reads_apart(model: torch.nn.Module) -> bool:
    device, training = next(model.parameters()).device, model.training
    texts = [[0, 1, 2], [3, 4]]
    model.eval()
    try:
        alone = [_logits(model, [text], [len(text) - 1], device, flat=False) for text in texts]
        expected = torch.cat(alone)
        with attending(model, _ATTENTION):
            found = _logits(model, texts, [2, 4], device, flat=True)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError):
        # Attention with arguments that this one does not take, or a mask of the model's own.
        return False
    finally:
        model.train(training)
    return bool((found - expected).norm() < 1e-3 * expected.norm())


def summed_loss(
    model: torch.nn.Module,
    ids: list[list[int]],
    targets: list[list[int]],
    device: torch.device,
    *,
    flat: bool,
) -> torch.Tensor:
    """Summed cross-entropy in nats of the counted targets: a scalar that can be differentiated.

    `ids[i]` are the tokens of text i; `targets[i][t]` is what its position t must predict, or
    IGNORED. `flat` is what `packed` yields for the model; without it there may be only one text.
    On a GPU the products are in bf16, the loss in fp32. At least one target must be counted.
    """
    wanted = [target for text in targets for target in text]
    counted = [place for place, target in enumerate(wanted) if target != IGNORED]
    with torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext():
        logits = _logits(model, ids, counted, device, flat=flat)
    chosen = _on(device, torch.tensor([wanted[place] for place in counted]))
    return torch.nn.functional.cross_entropy(logits.float(), chosen, reduction="sum")


def _logits(
    model: torch.nn.Module,
    ids: list[list[int]],
    places: list[int],
    device: torch.device,
    *,
    flat: bool,
) -> torch.Tensor:
    """Logits (places, vocabulary) at some places of packed texts."""
    lengths = [len(text) for text in ids]
    if not flat and len(lengths) > 1:
        raise ValueError("a model that can't keep packed texts apart is given several")
    logits: torch.Tensor = model(
        input_ids=_on(device, torch.tensor([[token for text in ids for token in text]])),
        position_ids=_on(device, torch.cat([torch.arange(n) for n in lengths])[None]),
        logits_to_keep=_on(device, torch.tensor(places)),
        use_cache=False,
        **({"text_lengths": lengths} if flat else {}),
    ).logits
    return logits[0]


def _on(device: torch.device, values: torch.Tensor) -> torch.Tensor:
    """The values on the device; a GPU copies them while the host continues."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values
