"""Training examples: token ids and which of them the loss counts, from an encoded set."""

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.sampling import selection_key, smallest
from tuning_dynamics.data.sequences import Tokens
from tuning_dynamics.data.token_store import StoredTokens
from tuning_dynamics.engine.padding_free import IGNORED


@dataclass(frozen=True)
class Example:
    """One sequence: `targets[t]` is what position t must predict, or IGNORED.

    `truncated` says that it was cut to the longest length.
    """

    ids: list[int]
    targets: list[int]
    truncated: bool


class Examples(Protocol):
    """Examples by their place; made when they are asked for, where they lie on disk."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Example: ...


def example_of(tokens: Tokens) -> Example:
    """The example of a training sequence: each token predicts the next one."""
    targets = [IGNORED] * (len(tokens.ids) - 1)
    for start, end in tokens.counted:
        first = max(start, 1)
        targets[first - 1 : end - 1] = tokens.ids[first:end]
    return Example(tokens.ids[:-1], targets, tokens.truncated)


class StoredExamples:
    """The examples of an encoded set, or those at `places` of it."""

    def __init__(self, tokens: StoredTokens, places: "array[int] | None" = None) -> None:
        self.tokens, self.places = tokens, places

    def __len__(self) -> int:
        return len(self.tokens) if self.places is None else len(self.places)

    def __getitem__(self, place: int, /) -> Example:
        return example_of(self.tokens[place if self.places is None else self.places[place]])


def hold_out(path: Path, share: float, seed: int) -> tuple[StoredExamples, StoredExamples]:
    """(examples to train on, examples held out of it) of an encoded set; both keep its order.

    Which are held out depends on the seed and the items' ids. StudyError for a set of one.
    """
    tokens = StoredTokens(path)
    if len(tokens) < 2:
        raise StudyError(
            "a train set has too few examples to hold any out",
            file=path,
            key="optim.lr.heldout",
            value=len(tokens),
            fix="give it more rows, or give the recipe's stage one learning rate",
        )
    keys = [selection_key(f"{seed} heldout", item) for item in tokens.items]
    held = smallest(keys, min(max(1, round(share * len(keys))), len(keys) - 1))
    places: dict[int, array[int]] = {0: array("q"), 1: array("q")}
    for place, out in enumerate(held):
        places[out].append(place)
    return StoredExamples(tokens, places[0]), StoredExamples(tokens, places[1])
