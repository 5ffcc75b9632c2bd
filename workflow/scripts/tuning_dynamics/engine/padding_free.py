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
def packed(model: torch.nn.Module) -> Iterator[bool]:
    """Have a model attend text by text while this is open; whether it can.

    It can where its layers attend to all that came before (see `attends_to_all`), and where two
    short texts end to end give what each gives alone. Else it reads one text at a time.
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
        # Attention that is given more than it takes, or a mask of the model's own making.
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
    IGNORED. `flat` is what `packed` says of the model; without it there may be one text only.
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
    """Logits (places, vocabulary) at some places of texts end to end."""
    lengths = [len(text) for text in ids]
    if not flat and len(lengths) > 1:
        raise ValueError("a model that does not read texts apart is given several")
    logits: torch.Tensor = model(
        input_ids=_on(device, torch.tensor([[token for text in ids for token in text]])),
        position_ids=_on(device, torch.cat([torch.arange(n) for n in lengths])[None]),
        logits_to_keep=_on(device, torch.tensor(places)),
        use_cache=False,
        **({"text_lengths": lengths} if flat else {}),
    ).logits
    return logits[0]


def _on(device: torch.device, values: torch.Tensor) -> torch.Tensor:
    """The same on the device; a GPU fetches them while the host goes on."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values
