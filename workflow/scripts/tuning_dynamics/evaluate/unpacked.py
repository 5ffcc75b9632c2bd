"""Texts read unpacked, with transformers' own attention and decoding, for models that need them.

Texts of equal length are read together, so that nothing is padded: layers that see a window or
keep a recurrent state would treat padding as text.
"""

from collections.abc import Iterator

import torch

from tuning_dynamics.evaluate.decoding import continued
from tuning_dynamics.evaluate.model import LoadedModel, batches


@torch.inference_mode()
def whole_logits(
    model: LoadedModel, texts: list[list[int]], last: list[int], batch_tokens: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Indices of texts, and fp32 logits (texts, places, vocabulary) after their last tokens, as
    many as their largest `last`."""
    for rows in batches([len(text) for text in texts], 0, batch_tokens, equal_lengths=True):
        ids = torch.tensor([texts[row] for row in rows], device=model.device)
        most = max(last[row] for row in rows)
        model.tokens += ids.numel()
        yield rows, model.model(ids, use_cache=False, logits_to_keep=most).logits.float()


@torch.inference_mode()
def whole_continuations(
    model: LoadedModel, prompts: list[list[int]], new: int, batch_tokens: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Indices of prompts, and the likeliest `new` tokens after each, (prompts, new); -1 for NaN
    logits."""
    for rows in batches([len(text) for text in prompts], new, batch_tokens, equal_lengths=True):
        ids = torch.tensor([prompts[row] for row in rows], device=model.device)
        model.tokens += len(rows) * (ids.shape[1] + new - 1)
        yield rows, continued(model.model, ids, new, cached=model.supports_cache)
