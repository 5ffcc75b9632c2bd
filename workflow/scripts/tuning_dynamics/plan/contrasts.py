"""What a grid can see, in words: differences, and what they rest on."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Contrast:
    """A kind of difference: the smallest that is found, lowest and highest over the grid (NaN if
    there is no interval), and what they rest on. `transfer` is it for a mean over pairs of sets."""

    name: str
    least: float
    most: float
    design: str
    transfer: bool = False

    @property
    def size(self) -> str:
        """The differences in words."""
        return "none" if math.isnan(self.least) else span(self.least, self.most, ".3f")

    @property
    def line(self) -> str:
        """Name, size and design in words."""
        return f"{self.name}: {self.size} ({self.design})"


@dataclass(frozen=True)
class Power:
    """What a grid can see, and the assumptions; `unknown` are sets whose items are not known."""

    contrasts: tuple[Contrast, ...]
    unknown: tuple[str, ...]
    assumed: Sequence[str]

    @property
    def notes(self) -> list[str]:
        """The sets that are left out, if any, and the assumptions."""
        if not self.unknown:
            return list(self.assumed)
        more = f" and {len(self.unknown) - 1} more" if len(self.unknown) > 1 else ""
        lacking = f"unknown for {self.unknown[0]}{more}: the dataset's file gives no size"
        return [lacking, *self.assumed]

    @property
    def lines(self) -> list[str]:
        """Contrasts and notes; of the kinds of transfer the best and the worst."""
        own = [seen.line for seen in self.contrasts if not seen.transfer]
        return [*own, *self._transfer_lines(), *self.notes]

    def _transfer_lines(self) -> list[str]:
        kinds = [seen for seen in self.contrasts if seen.transfer]
        seen = [one for one in kinds if not math.isnan(one.least)]
        if not seen:
            return [one.line for one in kinds[:1]]
        ends = dict.fromkeys((min(seen, key=_least), max(seen, key=_least)))
        count = f"; {len(kinds)} kinds of transfer, {len(seen)} with an interval"
        return [f"{one.line}{count if len(kinds) > len(ends) else ''}" for one in ends]


def _least(seen: Contrast) -> float:
    return seen.least


def counted(numbers: Iterable[int], noun: str) -> str:
    """`400-1,000 items`, `1 seed`."""
    listed = list(numbers)
    return f"{span(min(listed), max(listed), ',')} {noun}{'' if max(listed) == 1 else 's'}"


def span(least: float, most: float, form: str) -> str:
    """Two ends in a format, one where they read alike."""
    ends = dict.fromkeys((format(least, form), format(most, form)))
    return "-".join(ends)
