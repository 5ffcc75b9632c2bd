"""Greedy decoding in batches."""

from dataclasses import dataclass, field

import torch

from tuning_dynamics.engine.attention import attending
from tuning_dynamics.evaluate.decoding import likeliest
from tuning_dynamics.evaluate.model import LoadedModel, batches, not_a_number, shared_prefix
from tuning_dynamics.evaluate.packed_forward import PackedForward, TokenSequence
from tuning_dynamics.evaluate.prefix_attention import ATTENTION, KVCache, PackedBatch
from tuning_dynamics.evaluate.unpacked import whole_continuations

#: Finished rows leave a batch once they are this share of it, which copies the others' keys and
#: values. Measured on a CPU, 32 rows, a tenth of which ends at each step: 4.1 s, against 4.4 s if
#: they leave at once and 6.0 s if they never do.
LEAVING = 0.125


def generate(
    model: LoadedModel, prompts: list[list[int]], max_new_tokens: int, batch_tokens: int
) -> list[str]:
    """The greedy continuation of each prompt (token ids), as one line.

    It ends before the first line break or token that is no text (`Encoder.ends_of_answers`), or
    after `max_new_tokens`. White space at its ends is stripped. StudyError for logits that are NaN.
    """
    ends = _Ends(model)
    if model.supports_packing:
        found = _by_rows(model, prompts, max_new_tokens, batch_tokens, ends)
    else:
        found = _by_whole_texts(model, prompts, max_new_tokens, batch_tokens, ends)
    return [model.encoder.decode(ids).split("\n")[0].strip() for ids in found]


def _by_whole_texts(
    model: LoadedModel, prompts: list[list[int]], new: int, batch_tokens: int, ends: "_Ends"
) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in prompts]
    for rows, tokens in whole_continuations(model, prompts, new, batch_tokens):
        for row, said in zip(rows, tokens.tolist(), strict=True):
            found[row] = ends.cut(said)
    return found


@torch.inference_mode()
def _by_rows(
    model: LoadedModel, prompts: list[list[int]], new: int, batch_tokens: int, ends: "_Ends"
) -> list[list[int]]:
    prefix = shared_prefix(prompts)
    texts = [TokenSequence(prompt[len(prefix) :]) for prompt in prompts]
    found: list[list[int]] = [[] for _ in prompts]
    with attending(model.model, ATTENTION):
        reader = PackedForward(model.model, model.device, prefix)
        for rows in batches([text.length for text in texts], new + model.head_tokens, batch_tokens):
            said = _decode(reader, [texts[row] for row in rows], new, ends)
            for row, ids in zip(rows, said, strict=True):
                found[row] = ids
    model.tokens += reader.tokens
    return found


def _decode(
    reader: PackedForward, texts: list[TokenSequence], new: int, ends: "_Ends"
) -> list[list[int]]:
    """The new tokens of each row, without the one that ends it."""
    answers: list[list[int]] = [[] for _ in texts]
    width = max(text.length for text in texts)
    batch = _Batch(reader, texts, KVCache(width + new))
    going = list(range(len(texts)))
    tokens = likeliest(reader.read(texts, batch.kept))
    for step in range(new):
        said: list[int] = tokens.tolist()
        for place in going:
            answers[batch.owners[place]].append(said[place])
        going = [place for place in going if not ends.at(said[place])]
        if not going or step + 1 == new:
            break
        if len(going) <= (1 - LEAVING) * len(said):
            batch.keep(going)
            tokens, going = tokens[going], list(range(len(going)))
        # A finished row continues until it leaves, even if its logits are NaN (-1).
        tokens = likeliest(batch.step(tokens.clamp(min=0)))
    return [ends.cut(answer) for answer in answers]


class _Batch:
    """Rows that are decoded together: their indices, positions, and keys and values."""

    def __init__(self, reader: PackedForward, texts: list[TokenSequence], kept: KVCache) -> None:
        lengths = torch.tensor([text.length for text in texts], device=reader.device)
        columns = torch.arange(kept.room, device=reader.device)
        width = max(text.length for text in texts)
        self.reader, self.kept = reader, kept
        self.owners = list(range(len(texts)))
        self.positions = reader.start + lengths
        # The columns of longer texts lie between a text's end and its new tokens.
        own = (columns < lengths[:, None]) | (columns >= width)
        self.mask = own[:, None, None, :]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) after one further token (rows,)."""
        mask = self.mask[..., : self.kept.filled + 1]
        rows = PackedBatch(len(tokens), 1, mask=mask, shared=self.reader.shared, kept=self.kept)
        logits = self.reader.step(tokens, self.positions, rows)
        self.positions = self.positions + 1
        return logits

    def keep(self, places: list[int]) -> None:
        """Continue with only some rows."""
        index = torch.tensor(places, device=self.mask.device)
        self.owners = [self.owners[place] for place in places]
        self.positions, self.mask = self.positions[index], self.mask[index]
        self.kept.keep(index)


@dataclass
class _Ends:
    """Which tokens end an answer, computed on first use."""

    model: LoadedModel
    known: dict[int, bool] = field(default_factory=dict)

    def at(self, token: int) -> bool:
        """Whether an answer ends with this token; StudyError for -1 (NaN)."""
        if token < 0:
            raise not_a_number()
        if token not in self.known:
            # A line break is one byte in UTF-8, so it is never split over two tokens.
            text = self.model.encoder.decode([token])
            self.known[token] = token in self.model.encoder.ends_of_answers or "\n" in text
        return self.known[token]

    def cut(self, tokens: list[int]) -> list[int]:
        """An answer's tokens up to the one that ends it, which may end in a line break."""
        end = next((place for place, token in enumerate(tokens) if self.at(token)), len(tokens))
        ends = self.model.encoder.ends_of_answers
        return [token for token in tokens[: end + 1] if token not in ends]
