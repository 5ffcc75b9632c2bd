"""A loaded model, and texts fed to it step by step with their keys and values kept."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.data.encode import Encoder, load_encoder
from tuning_dynamics.study.errors import StudyError


@dataclass
class LoadedModel:
    """A causal language model ready to evaluate.

    `context` is the longest text in tokens, `tokens` counts what it was fed so far (padding
    left out), `remembered` holds the last option scores of each sort, with what they are of.
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

    @property
    def equal_lengths(self) -> bool:
        """Whether a batch must hold texts of one length.

        Layers that see a window or keep a running state count padding as text.
        """
        config = self.model.config
        kinds = set(config.to_dict().get("layer_types") or ["full_attention"])
        return kinds != {"full_attention"} or bool(config.to_dict().get("sliding_window"))


def load_for_evaluation(manifest: str | Path, device: torch.device) -> LoadedModel:
    """The model and tokenizer of a manifest's weights; StudyError as the loaders raise."""
    from tuning_dynamics.checkpoints.load import load_model
    from tuning_dynamics.checkpoints.manifest import find_weights

    weights = find_weights(manifest)
    model: Any = load_model(weights.folder, weights.adapter, device)
    context = model.config.to_dict().get("max_position_embeddings")
    if not isinstance(context, int):
        raise StudyError(
            "the checkpoint's config names no longest context",
            file=weights.folder / "config.json",
            key="max_position_embeddings",
            value=context,
            fix="add max_position_embeddings to config.json",
        )
    return LoadedModel(model, load_encoder(weights.folder), context, device)


@dataclass(frozen=True)
class Read:
    """What a model has read: one text per row.

    `cache` holds the keys and values, `seen` (rows, columns) is 1 where a column holds a token
    and 0 where it is padding, `lengths` (rows,) counts each row's tokens.
    """

    cache: Any
    seen: torch.Tensor
    lengths: torch.Tensor

    def select(self, rows: list[int]) -> "Read":
        """The same for the rows listed, in that order and as often; this one stays as it is."""
        index = torch.tensor(rows, device=self.seen.device)
        cache = copy.copy(self.cache)
        # Each layer is copied but not its tensors: selecting puts new ones in the copy.
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        cache.batch_select_indices(index)
        return Read(cache, self.seen[index], self.lengths[index])


def read_prefix(model: LoadedModel, ids: list[int]) -> Read | None:
    """The shared beginning of a cell's prompts, read once; None where they share nothing."""
    return read(model, None, [ids])[0] if ids else None


def read(
    model: LoadedModel, before: Read | None, texts: list[list[int]], *, every: bool = False
) -> tuple[Read, torch.Tensor]:
    """Read one further text (token ids, at least one) per row after `before`.

    Texts are padded on the right, positions count tokens and not columns, and padding is
    masked, so that a row's result does not depend on its neighbours. `before` is used up: its
    cache grows in place. Returns what was read and fp32 logits: (rows, vocabulary) after each
    row's last token or, with `every`, (rows, longest text, vocabulary) after each token.
    StudyError for logits that are not a number.
    """
    device = model.device
    counts = torch.tensor([len(text) for text in texts], device=device)
    width = max(len(text) for text in texts)
    ids = torch.tensor([text + [0] * (width - len(text)) for text in texts], device=device)
    new = (torch.arange(width, device=device) < counts[:, None]).long()
    start = before.lengths if before else torch.zeros_like(counts)
    seen = torch.cat([before.seen, new], dim=1) if before else new
    last = counts - 1
    # The head is applied to the columns where some row ends only: it is as large as a small
    # model's layers together.
    columns, place = torch.unique(last, return_inverse=True)
    with torch.inference_mode():
        output = model.model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=start[:, None] + torch.arange(width, device=device) * new,
            past_key_values=before.cache if before else None,
            use_cache=True,
            logits_to_keep=0 if every else columns,
        )
    model.tokens += sum(map(len, texts))
    logits = output.logits.float()
    kept = logits if every else logits[torch.arange(len(texts), device=device), place]
    _refuse_nan(kept)
    return Read(output.past_key_values, seen, start + counts), kept


def _refuse_nan(logits: torch.Tensor) -> None:
    if torch.isnan(logits).any():
        raise StudyError(
            "the model's logits are not a number",
            fix="the weights diverged or are damaged: leave this checkpoint out, or tune it "
            "with a lower learning rate",
        )


def shared_prefix(texts: list[list[int]]) -> list[int]:
    """The longest beginning shared by all texts that leaves each at least one token."""
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
    """Indices of texts in batches: longest first, so that the largest need of memory shows
    at once, and under `budget` tokens.

    A text takes the longest length in its batch and `extra` tokens more (a shared prefix, an
    answer to come). One text alone may exceed the budget.
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
