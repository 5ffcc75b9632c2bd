"""Forward passes over packed texts, with their shared prefix read once."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch

from tuning_dynamics.engine.attention import attending, attends_to_all
from tuning_dynamics.evaluate.prefix_attention import ATTENTION, KVCache, PackedBatch


@dataclass(frozen=True)
class TokenSequence:
    """One row: `tokens` (at least one), and `branches` that each continue it separately."""

    tokens: list[int]
    branches: list[list[int]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens, branches included."""
        return len(self.tokens) + sum(map(len, self.branches))

    @property
    def ids(self) -> list[int]:
        """All tokens in their order."""
        return [*self.tokens, *chain.from_iterable(self.branches)]

    def positions(self, start: int) -> list[int]:
        """The position of each token in its own text, from `start`."""
        end = start + len(self.tokens)
        branches = (range(end, end + len(branch)) for branch in self.branches)
        return [*range(start, end), *chain.from_iterable(branches)]

    @property
    def parts(self) -> list[int]:
        """0 for each of `tokens`, then each branch's number."""
        numbers = ([number] * len(one) for number, one in enumerate(self.branches, 1))
        return [0] * len(self.tokens) + list(chain.from_iterable(numbers))


class PackedForward:
    """Reads texts that all begin with `prefix` (may be empty) with the transformers model `model`.

    To be used inside `attending(model, ROWS)` and torch's inference mode. `tokens` counts the
    tokens read.
    """

    def __init__(self, model: Any, device: torch.device, prefix: list[int]) -> None:
        self.model, self.device, self.start, self.tokens = model, device, len(prefix), 0
        self.shared: KVCache | None = None
        if prefix:
            kept = KVCache(len(prefix))
            self._pass(
                prefix, list(range(len(prefix))), PackedBatch(1, len(prefix), kept=kept), [-1]
            )
            self.shared = kept

    def read(self, texts: list[TokenSequence], kept: KVCache | None = None) -> torch.Tensor:
        """fp32 logits (wanted, vocabulary): for each text in turn after its `tokens`, and after
        each token of each branch. Keys and values are written to `kept`, if given."""
        lengths = torch.tensor([text.length for text in texts])
        width = int(lengths.max())
        columns = torch.arange(width)
        filled = columns < lengths[:, None]
        sources, places, mask = None, None, None
        if not filled.all():
            first = lengths.cumsum(0) - lengths
            ends = torch.minimum(columns, lengths[:, None] - 1)
            sources = (first[:, None] + ends).flatten().to(self.device)
            places = filled.flatten().nonzero()[:, 0].to(self.device)
        if any(any(text.branches) for text in texts):
            parts = torch.full(filled.shape, -1)
            parts[filled] = torch.tensor([part for text in texts for part in text.parts])
            mask = _branch_mask(parts.to(self.device))
        rows = PackedBatch(len(texts), width, sources, places, mask, self.shared, kept)
        ids = [token for text in texts for token in text.ids]
        positions = [place for text in texts for place in text.positions(self.start)]
        return self._pass(ids, positions, rows, _wanted(texts))

    def _pass(
        self, ids: list[int], positions: list[int], rows: PackedBatch, wanted: list[int]
    ) -> torch.Tensor:
        device = self.device
        return self.step(
            torch.tensor(ids, device=device),
            torch.tensor(positions, device=device),
            rows,
            torch.tensor([place % len(ids) for place in wanted], device=device),
        )

    def step(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        rows: PackedBatch,
        wanted: torch.Tensor | int = 0,
    ) -> torch.Tensor:
        """fp32 logits (wanted or all, vocabulary) after tokens (tokens,) at their positions."""
        output = self.model(
            input_ids=ids[None],
            position_ids=positions[None],
            use_cache=False,
            logits_to_keep=wanted,
            rows=rows,
        )
        if rows.kept is not None:
            rows.kept.filled += rows.width
        self.tokens += len(ids)
        logits: torch.Tensor = output.logits[0].float()
        return logits


def _branch_mask(parts: torch.Tensor) -> torch.Tensor:
    """(rows, 1, width, width): a token sees the tokens before it in its text or its branch."""
    before = torch.ones(parts.shape[1], parts.shape[1], dtype=torch.bool, device=parts.device)
    seen = parts[:, None, :]
    return (before.tril() & ((seen == 0) | (seen == parts[:, :, None])))[:, None]


def _wanted(texts: list[TokenSequence]) -> list[int]:
    """Packed places of each text's last token before its branches, and of all branches' tokens."""
    found: list[int] = []
    start = 0
    for text in texts:
        found += range(start + len(text.tokens) - 1, start + text.length)
        start += text.length
    return found


#: Largest difference, as a share of the logits, at which packed texts count as read correctly: far
#: above rounding, far below the effect of a wrong key or mask.
NEAR = {torch.float32: 1e-3, torch.bfloat16: 0.05}

#: Texts of the trial: a shared prefix, rows with and without branches, tokens that follow.
_PREFIX = [1, 2, 3]
_BRANCHED = [TokenSequence([4, 5, 6], [[7], [2, 4]]), TokenSequence([5])]
_PLAIN, _NEXT = [TokenSequence([4, 5]), TokenSequence([6])], [7, 3]


def supports_packing(model: Any, device: torch.device) -> bool:
    """Whether a transformers model gives the same logits for packed texts as for single ones; if
    not, a line says so.

    A trial of tiny texts decides. It fails if attention is the model's own, has a window or further
    terms, is called twice in a layer, or if layers keep a recurrent state.
    """
    if attends_to_all(model) and _reads_alike(model, device):
        return True
    print(f"{type(model).__name__}: texts are read whole", flush=True)
    return False


@torch.inference_mode()
def _reads_alike(model: Any, device: torch.device) -> bool:
    """Whether the trial's packed texts have the logits of the same texts alone."""
    try:
        with attending(model, ATTENTION):
            found = _trial(PackedForward(model, device, _PREFIX))
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError):
        # A model that does not pass on the arguments of its attention, or whose shapes or terms
        # are not supported here (NotImplementedError is a RuntimeError).
        return False
    expected = torch.stack([_alone(model, device, text) for text in _trial_texts()])
    if expected.isnan().any():
        return True  # Both ways end in an error, this one sooner.
    return bool((found - expected).norm() <= NEAR[model.dtype] * expected.norm())


def _trial(reader: PackedForward) -> torch.Tensor:
    """Logits after each of `_trial_texts`: with branches, of prompts, and after one more token."""
    branched = reader.read(_BRANCHED)
    kept = KVCache(max(text.length for text in _PLAIN) + 1)
    plain = reader.read(_PLAIN, kept)
    lengths = torch.tensor([text.length for text in _PLAIN], device=reader.device)
    columns = torch.arange(kept.room, device=reader.device)
    mask = ((columns < lengths[:, None]) | (columns == kept.filled))[:, None, None]
    rows = PackedBatch(len(_PLAIN), 1, mask=mask, shared=reader.shared, kept=kept)
    further = torch.tensor(_NEXT, device=reader.device)
    return torch.cat([branched, plain, reader.step(further, reader.start + lengths, rows)])


def _trial_texts() -> list[list[int]]:
    """The texts after which `_trial` gives logits, in its order."""
    branched = [
        [*text.tokens, *branch[:end]]
        for text in _BRANCHED
        for branch in [[], *text.branches]
        for end in range(min(1, len(branch)), len(branch) + 1)
    ]
    plain = [text.tokens for text in _PLAIN]
    further = [[*tokens, token] for tokens, token in zip(plain, _NEXT, strict=True)]
    return [[*_PREFIX, *text] for text in [*branched, *plain, *further]]


def _alone(model: Any, device: torch.device, text: list[int]) -> torch.Tensor:
    """fp32 logits (vocabulary,) after a text, by the model's own attention."""
    output = model(input_ids=torch.tensor([text], device=device), use_cache=False)
    logits: torch.Tensor = output.logits[0, -1].float()
    return logits
