"""The cases: which edits, done together or while a run goes on."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from edited.edits import ALL, EDITS

#: Kinds of cases. `planned`: a dry run after edits; `real`: the command; `during`: an edit while
#: the command runs; `studies`: two studies of one checkout.
KINDS = ("planned", "real", "during", "studies")


class Case(NamedTuple):
    """A case: its edits by name; with `stage`, the last of them is done when a job of it begins."""

    kind: str
    edits: tuple[str, ...]
    stage: str = ""

    @property
    def name(self) -> str:
        """Its name in the record."""
        edits = " + ".join(self.edits)
        return f"{self.kind}: {edits}, at {self.stage}" if self.stage else f"{self.kind}: {edits}"


#: Pairs of which one hides the other where a plan looks at one only.
INFORMATIVE = (
    ("template of what is tuned on", "code of prompts"),
    ("learning rate", "a checkpoint of the hub joins"),
    ("ROUGE", "code that lists revisions"),
    ("log-likelihood", "code that lists revisions"),
    ("sampler", "code that downloads"),
    ("template of multiple choice", "a cell is deleted"),
    ("config.json of a tuned checkpoint", "learning rate"),
    ("an evaluated row is changed", "code of prompts"),
    ("the study's folder is copied alone", "label word"),
    ("the checkout is moved", "template of multiple choice"),
    ("the checkout is copied", "items.parquet loses a row"),
    ("loss", "a tuned model's cell is deleted"),
)

#: Single edits whose command is given, before the pairs that the seed draws.
REAL = (
    ("template of what is tuned on",),
    ("config.json of a tuned checkpoint",),
    ("tokenizer.json of all local checkpoints",),
    ("evaluation items of a set",),
    ("text of a checkpoint's loss",),
    ("two cells are swapped",),
    ("the merged config is edited",),
)

DURING = (
    Case("during", ("learning rate", "template of what is tuned on"), "tune"),
    Case("during", ("learning rate", "loss"), "tune"),
    Case("during", ("an evaluated row is changed", "config.json of a tuned checkpoint"), "freeze"),
    Case("during", ("weights of a tuned checkpoint", "training rows are changed"), "verify"),
    Case("during", ("evaluation items of a set", "ROUGE"), "evaluate*"),
)

STUDIES = (Case("studies", ("one after the other",)), Case("studies", ("at the same time",)))


def cases(seed: int, planned: int, real: int) -> list[Case]:
    """The cases of a seed: as many as requested, the most informative first."""
    singles = [(edit.name,) for edit in ALL]
    plans = [*INFORMATIVE, *random.Random(f"{seed} singles").sample(singles, len(singles))]
    runs = [*REAL, *INFORMATIVE[:6]]
    given = [*STUDIES, *DURING, *(Case("real", names) for names in runs)]
    drawn = (Case("real", pair) for pair in _pairs(f"{seed} real", runs, plan_only=False))
    found = [*_first(real, given, drawn)]
    pairs = (Case("planned", pair) for pair in _pairs(f"{seed} planned", plans, plan_only=True))
    return [*_first(planned, [Case("planned", names) for names in plans], pairs), *found]


def _first(count: int, given: list[Case], more: Iterator[Case]) -> list[Case]:
    chosen = given[:count]
    return [*chosen, *(next(more) for _ in range(count - len(chosen)))]


def _pairs(
    seed: str, known: list[tuple[str, ...]], *, plan_only: bool
) -> Iterator[tuple[str, ...]]:
    """An endless stream of pairs of edits that can be done together, none known or repeated.

    Without `plan_only`, none that is about a plan's text.
    """
    draw, seen = random.Random(seed), set(map(frozenset, known))
    names = [edit.name for edit in ALL if plan_only or not edit.says]
    while True:
        pair = tuple(draw.sample(names, 2))
        if frozenset(pair) not in seen and len({EDITS[name].subject for name in pair}) == 2:
            seen.add(frozenset(pair))
            yield pair
