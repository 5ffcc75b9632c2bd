"""Greedy decoding by transformers, which knows each architecture's cache and positions."""

from typing import Any

import torch

#: The trial of a cache: texts, and how many tokens follow each.
_TEXTS, _NEW = [[1, 2, 3, 4, 5], [5, 4, 3, 1, 2]], 3

#: Largest difference, as a share of the logits, at which a cache counts as right; in bfloat16 sums
#: in another order differ more.
_NEAR = {torch.float32: 1e-3, torch.bfloat16: 0.05}

#: How decoding fails where an architecture's cache does not fit transformers' own decoding.
_UNFIT = (AttributeError, LookupError, TypeError, ValueError, RuntimeError)


def likeliest(logits: torch.Tensor) -> torch.Tensor:
    """The likeliest token of each row, the first on a tie; -1 if any logit is NaN."""
    # The maximum of numbers and NaN is NaN.
    values, tokens = logits.max(-1)
    return tokens.masked_fill(values.isnan(), -1)


@torch.inference_mode()
def continued(model: Any, ids: torch.Tensor, new: int, *, cached: bool) -> torch.Tensor:
    """The likeliest `new` tokens (texts, new) after texts of equal length (texts, tokens); -1 where
    a logit is NaN. Without `cached` the whole text is read again for each of them."""
    found: list[torch.Tensor] = []

    def note(_ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        found.append(likeliest(logits))
        return logits

    if cached:
        _generate(model, ids, new, logits_processor=[note])
    else:
        for _ in range(new):
            # Some architectures don't leave out the logits of earlier places.
            note(ids, model(ids, use_cache=False, logits_to_keep=1).logits[:, -1])
            ids = torch.cat([ids, found[-1].clamp(min=0)[:, None]], 1)
    return torch.stack(found, 1)


def supports_cache(model: Any, device: torch.device) -> bool:
    """Whether a model that decodes with its cache gives the logits of texts that are read whole; if
    not, a line says so."""
    try:
        if _decodes_alike(model, torch.tensor(_TEXTS, device=device)):
            return True
    except torch.OutOfMemoryError:
        raise
    except _UNFIT:
        pass
    print(f"{type(model).__name__}: generated texts are read again for each token", flush=True)
    return False


@torch.inference_mode()
def _decodes_alike(model: Any, ids: torch.Tensor) -> bool:
    said = _generate(model, ids, _NEW, output_logits=True, return_dict_in_generate=True)
    found = torch.stack(said.logits, 1)
    alone = [model(text[None], use_cache=False).logits for text in said.sequences]
    whole = torch.cat(alone)[:, ids.shape[1] - 1 : -1]
    alike = (found - whole).norm() <= _NEAR[model.dtype] * whole.norm()
    return bool(alike or whole.isnan().any())


def _generate(model: Any, ids: torch.Tensor, new: int, **given: Any) -> Any:
    from transformers import GenerationConfig

    # The folder's own settings would be taken for what is not given: beams, penalties, ends.
    model.generation_config = GenerationConfig()
    how = GenerationConfig(do_sample=False, max_new_tokens=new, pad_token_id=0)
    return model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=how, **given)
