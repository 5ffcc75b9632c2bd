"""The numbers of a finding in words: estimates, their noise floor, and what weakens them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pandas as pd

from tuning_dynamics.common.formatting import interval_text, plural, signed
from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.crossed import Estimate, Pairs, crossed_mean
from tuning_dynamics.stats.denominators import WeakBases
from tuning_dynamics.stats.noise import NEAR, SEEDS, Floor, under
from tuning_dynamics.stats.refusals import are_refused

_FROM = {SEEDS: "seeds", NEAR: "near-identical checkpoints"}


@dataclass(frozen=True)
class Noise:
    """The noise floor of a finding's evaluation sets, how many sets those are, and their kind if it
    is one; of a slope, the typical difference between `scores` as well."""

    floor: Floor
    eval_sets: int
    kind: str = ""
    scores: float | None = None

    @property
    def sentence(self) -> str:
        """The floor in words, on how many of the sets it was measured, or that it is unknown."""
        noun = f"{self.kind} set".strip()
        start = f" Noise floor of the {plural(self.eval_sets, noun)}: "
        floor = self.floor
        if not floor.pairs:
            return (
                f"{start}unknown, as none has scores of two seeds, or of near-identical "
                "checkpoints, that are not degenerate."
            )
        some = "" if floor.sets == self.eval_sets else f" on {floor.sets} of them"
        return (
            f"{start}{floor.value:.3f}, {self._origin(_FROM[floor.kind])} "
            f"({plural(floor.pairs, 'pair')}{some})."
        )

    def _origin(self, of: str) -> str:
        if self.scores is None:
            return f"the typical difference between scores of {of}"
        return f"the typical slope that scores of {of} make, which differ by {self.scores:.3f}"

    def of_slope(self, floor: float) -> "Noise":
        """The same for a slope: `floor` is the one that such scores make."""
        return replace(self, floor=replace(self.floor, value=floor), scores=self.floor.value)


def number(found: Estimate, level: float, floor: Floor) -> str:
    """An estimate with sign, interval and cells, and whether it is under the noise floor."""
    noise = "; under the noise floor" if under(found.value, floor) else ""
    interval = interval_text(found.low, found.high, level)
    return f"{signed(found.value)} ({interval}; {plural(found.cells, 'cell')}{noise})"


def marked(value: float, floor: Floor) -> str:
    """A change with its sign, and whether it is under the noise floor."""
    return signed(value) + (" (under the noise floor)" if under(value, floor) else "")


def no_verdict_words(found: Estimate, *, clear: bool) -> str:
    """Why an estimate gives no verdict, as a sentence; `clear`: its interval excludes 0."""
    if found.reason:
        return f" No interval: {found.reason}."
    return " A value under the noise floor is no finding." if clear else " The interval includes 0."


def compared_words(one: Estimate, other: Estimate) -> str:
    """Which of two mean changes is the lower, if their intervals say so."""
    if one.high < other.low:
        return "the former is the lower"
    if one.low > other.high:
        return "the latter is the lower"
    return "which of the two is lower is not shown: their intervals overlap or are missing"


def ends_words(pooled: pd.Series, pairs: pd.DataFrame, words: str) -> str:
    """`words` on the first and the last checkpoint, with the number of their pairs if those are
    not all pairs that have a slope."""
    whole = int((pairs["checkpoints"] == pooled["checkpoints"]).sum())
    sloped = int(pairs["slope"].notna().sum())
    if not whole:
        return (
            "no pair is evaluated at every checkpoint, so that the first and the last have no mean"
        )
    if whole == sloped:
        return words
    return f"on the {whole} of {sloped} pairs that are evaluated at every checkpoint, {words}"


def untrained_words(
    cells: pd.DataFrame, statistic: Callable[[pd.DataFrame], Estimate], what: str, level: float
) -> str:
    """That an untrained checkpoint is among the cells, which has nothing to lose, and the
    `statistic`, named by `what`, without it, as a sentence; empty if all are trained."""
    trained = cells[cells["tokens"] > 0]
    if len(trained) == len(cells):
        return ""
    count = cells["checkpoint"].nunique()
    if trained.empty:
        return " The only checkpoint is untrained (0 tokens), and has learned nothing to lose."
    found = statistic(trained)
    interval = interval_text(found.low, found.high, level)
    return (
        f" One of the {count} checkpoints is untrained (0 tokens), and has learned nothing to "
        f"lose; without it, {what} is {signed(found.value)} "
        f"({interval}; {plural(found.cells, 'cell')})."
    )


def zero_words(cells: pd.DataFrame) -> str:
    """How many tuned scores are 0, as a sentence; empty if none is."""
    zero = int((cells["tuned_score"] == 0).sum())
    if not zero:
        return ""
    return f" {zero} of the {plural(len(cells), 'tuned score')} {'is' if zero == 1 else 'are'} 0."


def placed_words(tokens: Iterable[int]) -> str:
    """Where a slope has an untrained checkpoint, as a sentence; empty if all are trained."""
    if 0 not in set(tokens):
        return ""
    return " The untrained checkpoint (0 tokens) is placed at a third of the first one's tokens."


def shots_words(cells: pd.DataFrame, level: float) -> str:
    """The change where base has as many shots as tuned models, as a sentence; empty if it has as
    many in all cells."""
    if (cells["base_shots"] == cells["shots"]).all():
        return ""
    shots = " and ".join(map(str, sorted(cells["base_shots"].unique())))
    alike = cells[cells["equal_change"].notna()]
    if alike.empty:
        return f" Base has {shots} shots, and was not evaluated with as many as tuned models."
    found = crossed_mean(Pairs.of(alike, "equal_change"), level)
    interval = interval_text(found.low, found.high, level)
    return (
        f" Base has {shots} shots; with as many as tuned models have, the change is "
        f"{signed(found.value)} ({interval}; {found.cells} cells)."
    )


def base_words(weak: WeakBases) -> str:
    """Which base scores are weak denominators and why, as a sentence; empty if none is."""
    parts = [
        f"{count} {what}"
        for count, what in (
            (weak.zero, "at 0 (in no mean of ratios)"),
            (weak.near_zero, f"below {RATIO_FLOOR:g}"),
            (weak.at_chance, "not shown to be above chance"),
        )
        if count
    ]
    if not parts:
        return ""
    return (
        f" Weak base scores among the {weak.cells}: {', '.join(parts)}; ratios with these as "
        "denominators are unreliable."
    )


def refused_words(unpaired: pd.DataFrame) -> str:
    """A sentence about refused cells; empty if there are none."""
    lost = unpaired[are_refused(unpaired)]
    if lost.empty:
        return ""
    cells = "1 cell is" if len(lost) == 1 else f"{len(lost):,} cells are"
    return f" {cells} missing, as refused."
