"""A loaded model, and how texts are batched."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.tokenizer import Encoder, context_of, load_encoder
from tuning_dynamics.engine.batch_size import (
    CPU_TOKENS,
    bytes_per_token,
    head_tokens,
    row_tokens,
    tokens_that_fit,
)
from tuning_dynamics.evaluate.decoding import supports_cache
from tuning_dynamics.evaluate.packed_forward import supports_packing


@dataclass
class LoadedModel:
    """A causal language model ready to evaluate.

    `context` is the longest text in tokens, `tokens` counts the tokens read so far, `remembered`
    holds the last option scores of each sort, with their key.
    """

    model: Any
    encoder: Encoder
    context: int
    device: torch.device
    tokens: int = 0
    remembered: dict[str, tuple[str, list[list[float]]]] = field(default_factory=dict)

    def remember(
        self, sort: str, key: str, compute: Callable[[], list[list[float]]]
    ) -> list[list[float]]:
        """The option scores of a sort for `key`, computed unless the last ones were these."""
        if sort not in self.remembered or self.remembered[sort][0] != key:
            self.remembered[sort] = (key, compute())
        return self.remembered[sort][1]

    @cached_property
    def supports_packing(self) -> bool:
        """Whether texts may be packed (see `packed_forward.supports_packing`)."""
        return supports_packing(self.model, self.device)

    @cached_property
    def supports_cache(self) -> bool:
        """Whether texts may be continued with a cache (see `decoding.supports_cache`)."""
        return supports_cache(self.model, self.device)

    @property
    def dtype(self) -> str:
        """The layers' dtype, as named in requests."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def token_bytes(self) -> float:
        """Bytes per token of a batch."""
        config = self.model.config
        return bytes_per_token(
            config.num_hidden_layers, config.hidden_size, self.model.dtype.itemsize
        )

    @property
    def head_tokens(self) -> int:
        """Tokens that take as much memory as one position with logits."""
        return head_tokens(self.model.config.vocab_size, self.token_bytes)

    def row_tokens(self, prefix: int) -> int:
        """Tokens that take as much memory as a row takes in addition to its own tokens, after a
        shared prefix of this length."""
        config = self.model.config
        return row_tokens(prefix, config.vocab_size, config.num_hidden_layers, self.token_bytes)

    @cached_property
    def batch_tokens(self) -> int:
        """Tokens of a batch that fit in the device's memory with the weights."""
        if self.device.type == "cpu":
            return CPU_TOKENS
        # Cached memory from loading the weights counts as free.
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self.device)
        return tokens_that_fit(free, self.token_bytes)


def load_for_evaluation(
    manifest: str | Path,
    device: torch.device,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> LoadedModel:
    """The model and tokenizer of a manifest's weights; StudyError as for the loaders.

    In bfloat16 the head stays in fp32: bfloat16 would make many of 50,000 logits equal.
    """
    from tuning_dynamics.checkpoints.load import load_model
    from tuning_dynamics.checkpoints.manifest import unchanged_weights

    precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
    with unchanged_weights(manifest) as weights:
        model: Any = load_model(weights.folder, weights.adapter, device, dtype=precision)
    if dtype == "bfloat16":
        model.set_output_embeddings(FullPrecisionHead(model.get_output_embeddings()))
    return LoadedModel(model, load_encoder(weights.folder), context_of(weights.folder), device)


class FullPrecisionHead(torch.nn.Module):
    """A model's head with its weights, computed in fp32."""

    def __init__(self, head: torch.nn.Linear) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(head.weight.detach().float(), requires_grad=False)
        self.bias = None if head.bias is None else head.bias.detach().float()

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """fp32 logits of hidden states."""
        return torch.nn.functional.linear(states.float(), self.weight, self.bias)


def not_a_number() -> StudyError:
    """The error for logits that are NaN."""
    return StudyError(
        "the model's logits are not a number",
        fix="the weights diverged or are damaged: leave this checkpoint out, or tune it "
        "with a lower learning rate",
    )


def shared_prefix(texts: list[list[int]]) -> list[int]:
    """The longest prefix of all texts that leaves each at least one token."""
    # In sorted order, all texts lie between the first and the last.
    first, last = min(texts), max(texts)
    longest = min(len(text) for text in texts) - 1
    for place in range(longest):
        if first[place] != last[place]:
            return first[:place]
    return first[:longest]


def batches(
    lengths: list[int], extra: int, budget: int, *, equal_lengths: bool = False
) -> list[list[int]]:
    """Indices of texts in batches of at most `budget` tokens: longest first, so that peak memory
    is reached at once.

    A text takes the longest length in its batch and `extra` more tokens (a future answer). A single
    text may exceed the budget.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    found: list[list[int]] = []
    for index in order:
        longest = lengths[found[-1][0]] if found else 0
        fits = found and (len(found[-1]) + 1) * (longest + extra) <= budget
        if fits and not (equal_lengths and lengths[index] != longest):
            found[-1].append(index)
        else:
            found.append([index])
    return found
