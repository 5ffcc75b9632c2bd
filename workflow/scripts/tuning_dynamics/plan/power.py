"""The smallest differences that a study's grid can see, before anything runs.

What varies is assumed (`statistics.power`), how many items, seeds, draws and sets there are is the
grid's. After a run, power.csv has the same from what varied.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from tuning_dynamics.common.constants import MIN_EVAL_SETS, MIN_TRAIN_SETS
from tuning_dynamics.common.power import (
    Crossed,
    ErrorPart,
    crossed_parts,
    repeated_parts,
    smallest_difference,
)
from tuning_dynamics.config.statistics import PowerSettings
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Axes, Grid
from tuning_dynamics.plan.contrasts import Contrast, Power, counted
from tuning_dynamics.plan.sizes import Known, NotKnown

#: Format of the cells that summaries are made of.
DEFAULT = "default"

#: Seeds by family, step, train set and evaluation set.
TunedCells = Mapping[tuple[str, int, str, str], frozenset[int]]


def power_of(resolved: ResolvedStudy, grid: Grid, known: Known) -> Power:
    """What a grid can see of the main recipe's changes and of few-shot scores of `base`.

    A study of published scores has no items, and so nothing.
    """
    settings = resolved.study.statistics.power
    if resolved.study.scores is not None:
        return Power((), (), assumed(settings))
    items = {name: found for name in grid.eval_sets if (found := _items(known, name)) is not None}
    design = _Design(resolved, items, settings)
    cells = tuned_cells(grid, resolved.study.statistics.main_recipe)
    seen = (*_changes(design, grid, cells), *_transfers(design, cells), *_bases(design, grid))
    unknown = tuple(name for name in grid.eval_sets if name not in items)
    return Power(seen, unknown, assumed(settings))


def assumed(settings: PowerSettings) -> list[str]:
    """The assumptions in words."""
    return [
        f"assumed: base score {settings.base_score:g}, {100 * settings.flips:g} % of items flip, "
        f"SD of generation items {settings.sd_items:g};",
        f"SD between seeds {settings.sd_seeds:g}, draws {settings.sd_draws:g}, train sets "
        f"{settings.sd_train_sets:g}, evaluation sets {settings.sd_eval_sets:g}, pairs "
        f"{settings.sd_pairs:g} (statistics.power)",
    ]


@dataclass(frozen=True)
class _Design:
    """A study, the items of its evaluation sets as far as they are known, and the assumptions."""

    resolved: ResolvedStudy
    items: Mapping[str, int]
    settings: PowerSettings

    def change_variance(self, eval_set: str) -> float:
        """The variance of a change over the set's items: of flips, whose squares are their share;
        of generation, from the standard deviation."""
        generated = self.resolved.kind(eval_set) == "generation"
        one = self.settings.sd_items**2 if generated else self.settings.flips
        return one / self.items[eval_set]

    def base_variance(self, eval_set: str) -> float:
        """The variance of a score of `base` over the set's items."""
        share = self.settings.base_score
        generated = self.resolved.kind(eval_set) == "generation"
        one = self.settings.sd_items**2 if generated else share * (1 - share)
        return one / self.items[eval_set]


def _items(known: Known, dataset: str) -> int | None:
    try:
        return known.evaluated_items(dataset)
    except NotKnown:
        return None


def tuned_cells(grid: Grid, recipe: str) -> TunedCells:
    """The cells of a recipe in format `default`, with their seeds."""
    found: dict[tuple[str, int, str, str], frozenset[int]] = defaultdict(frozenset)
    for block in grid.blocks:
        if recipe in block.recipes:
            for family, step in _checkpoints(block):
                for train_set, eval_set in product(block.train_sets, _default_sets(block)):
                    found[family, step, train_set, eval_set] |= block.seeds
    return found


def _checkpoints(block: Axes) -> Iterator[tuple[str, int]]:
    return ((family, step) for family, steps in block.steps.items() for step in steps)


def _default_sets(block: Axes) -> set[str]:
    return {one.eval_set for one in block.settings if one.format == DEFAULT}


def _changes(design: _Design, grid: Grid, cells: TunedCells) -> Iterator[Contrast]:
    """Tuned less base on one set, with the seeds of one and the draws of the other."""
    draws = few_shot_draws(grid)
    asked = {
        (eval_set, len(seeds), draws.get(eval_set, 1))
        for (_, _, _, eval_set), seeds in cells.items()
        if eval_set in design.items
    }
    deviations = design.settings.sd_seeds, design.settings.sd_draws
    found = [
        repeated_parts(
            design.change_variance(eval_set),
            (seeds, deviations[0]),
            (drawn, deviations[1]),
        )
        for eval_set, seeds, drawn in asked
    ]
    if found:
        items = [design.items[eval_set] for eval_set, _, _ in asked]
        words = [
            counted(items, "item"),
            counted([seeds for _, seeds, _ in asked], "seed"),
            counted([drawn for _, _, drawn in asked], "draw"),
        ]
        yield _contrast("tuned - base on one set", found, ", ".join(words))


def few_shot_draws(grid: Grid) -> dict[str, int]:
    """The draws of demonstrations of each set on which `base` is evaluated few-shot in format
    `default`: of several numbers of shots the largest, which changes are taken from."""
    found: dict[str, int] = {}
    for block in grid.blocks:
        if "base" in block.recipes:
            # Settings that agree in all but the draw.
            own = Counter(
                (one.eval_set, one.shots, one.prediction)
                for one in block.settings
                if one.format == DEFAULT and one.shots
            )
            for (eval_set, _, _), number in sorted(own.items()):
                found[eval_set] = max(number, found.get(eval_set, 1))
    return found


def _bases(design: _Design, grid: Grid) -> Iterator[Contrast]:
    """A few-shot score of base on one set, over its draws."""
    asked = {name: n for name, n in few_shot_draws(grid).items() if name in design.items}
    found = [
        repeated_parts(design.base_variance(eval_set), (drawn, design.settings.sd_draws))
        for eval_set, drawn in asked.items()
    ]
    if found:
        items = counted([design.items[eval_set] for eval_set in asked], "item")
        draws = counted(asked.values(), "draw")
        yield _contrast("few-shot base on one set", found, f"{items}, {draws}")


def _contrast(name: str, found: Sequence[Sequence[ErrorPart]], design: str) -> Contrast:
    sizes = [smallest_difference(parts) for parts in found]
    return Contrast(name, min(sizes), max(sizes), design)


def _transfers(design: _Design, cells: TunedCells) -> Iterator[Contrast]:
    """Mean change over the pairs of sets of each two kinds, at one checkpoint."""
    kind = design.resolved.kind
    pairs: dict[tuple[str, str], dict[tuple[str, int], dict[tuple[str, str], int]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for (family, step, *pair), seeds in cells.items():
        train_set, eval_set = pair
        if eval_set in design.items and train_set != eval_set and _counted(design, pair):
            own = pairs[kind(train_set), kind(eval_set)][family, step]
            own[train_set, eval_set] = len(seeds)
    for kinds, checkpoints in sorted(pairs.items()):
        # Most checkpoints have the same pairs.
        unique = {tuple(sorted(own.items())) for own in checkpoints.values()}
        yield _transfer_contrast(design, kinds, [dict(own) for own in unique])


def _transfer_contrast(
    design: _Design, kinds: tuple[str, str], checkpoints: Sequence[Mapping[tuple[str, str], int]]
) -> Contrast:
    """Over checkpoints, each with the number of seeds of its pairs."""
    one, other = (kind.replace("_", " ") for kind in kinds)
    name = f"mean change, {one} to {other}"
    seeds = [number for own in checkpoints for number in own.values()]
    largest = max(checkpoints, key=len)
    train_sets, eval_sets = _sets(largest)
    words = (
        f"{counted([len(largest)], 'pair')} of {counted([train_sets], 'train set')} and "
        f"{counted([eval_sets], 'evaluation set')}, {counted(seeds, 'seed')}"
    )
    if train_sets < MIN_TRAIN_SETS or eval_sets < MIN_EVAL_SETS:
        words += f"; an interval needs {MIN_TRAIN_SETS} and {MIN_EVAL_SETS}"
        return Contrast(name, math.nan, math.nan, words, transfer=True)
    enough = [own for own in checkpoints if _sets(own) >= (MIN_TRAIN_SETS, MIN_EVAL_SETS)]
    found = _contrast(name, [_transfer_parts(design, own) for own in enough], words)
    return replace(found, transfer=True)


def _sets(pairs: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """The numbers of train sets and evaluation sets."""
    listed = list(pairs)
    return len({one for one, _ in listed}), len({other for _, other in listed})


def _counted(design: _Design, pair: Sequence[str]) -> bool:
    """Whether transfer.csv covers a pair of train and evaluation set."""
    transfer = design.resolved.study.statistics.transfer
    return all(
        listed is None or name in listed
        for name, listed in zip(pair, (transfer.train_sets, transfer.eval_sets), strict=True)
    )


def _transfer_parts(design: _Design, pairs: Mapping[tuple[str, str], int]) -> list[ErrorPart]:
    """Parts of the error of the mean over pairs that have these numbers of seeds.

    All pairs of an evaluation set share its items, so that these vary with the set; seeds are a
    pair's own.
    """
    settings = design.settings
    train_sets, eval_sets = _sets(pairs)
    items = sum(design.change_variance(eval_set) for _, eval_set in pairs) / len(pairs)
    seeds = sum(settings.sd_seeds**2 / number for number in pairs.values()) / len(pairs)
    left = (settings.sd_pairs**2 + seeds) / len(pairs)
    trains = settings.sd_train_sets**2 / train_sets + left
    evals = (settings.sd_eval_sets**2 + items) / eval_sets + left
    return crossed_parts(Crossed(train_sets, eval_sets, trains, evals, left))
