"""Greedy decoding in batches."""

from dataclasses import dataclass, field

from tuning_dynamics.evaluate.model import (
    LoadedModel,
    Read,
    batches,
    read,
    read_prefix,
    shared_prefix,
)


def generate(
    model: LoadedModel, prompts: list[list[int]], max_new_tokens: int, batch_tokens: int
) -> list[str]:
    """The likeliest continuation token by token of each prompt (token ids), as one line.

    It ends before the first line break or end-of-text, or after `max_new_tokens`. White space
    at its ends is left out.
    """
    prefix = shared_prefix(prompts)
    before = read_prefix(model, prefix)
    lengths = [len(prompt) - len(prefix) for prompt in prompts]
    ends = _Ends(model)
    found = [""] * len(prompts)
    for rows in batches(
        lengths, len(prefix) + max_new_tokens, batch_tokens, equal_lengths=model.equal_lengths
    ):
        texts = [prompts[row][len(prefix) :] for row in rows]
        start = before.select([0] * len(rows)) if before else None
        for row, ids in zip(rows, _decode(model, start, texts, max_new_tokens, ends), strict=True):
            found[row] = model.encoder.decode(ids).split("\n")[0].strip()
    return found


def _decode(
    model: LoadedModel,
    before: Read | None,
    texts: list[list[int]],
    max_new_tokens: int,
    ends: "_Ends",
) -> list[list[int]]:
    """The new tokens of each row, without end-of-text."""
    answers: list[list[int]] = [[] for _ in texts]
    active = list(range(len(texts)))
    state, logits = read(model, before, texts)
    for step in range(max_new_tokens):
        tokens: list[int] = logits.argmax(-1).tolist()
        for row, token in zip(active, tokens, strict=True):
            if token != model.encoder.eos:
                answers[row].append(token)
        going = [place for place, token in enumerate(tokens) if not ends.at(token)]
        if not going or step + 1 == max_new_tokens:
            break
        if len(going) < len(active):
            state = state.select(going)
            active = [active[place] for place in going]
        state, logits = read(model, state, [[tokens[place]] for place in going])
    return answers


@dataclass
class _Ends:
    """Which tokens end an answer, worked out as they come up."""

    model: LoadedModel
    known: dict[int, bool] = field(default_factory=dict)

    def at(self, token: int) -> bool:
        if token not in self.known:
            # A line break is one byte in UTF-8, so it never spreads over two tokens.
            text = self.model.encoder.decode([token])
            self.known[token] = token == self.model.encoder.eos or "\n" in text
        return self.known[token]
