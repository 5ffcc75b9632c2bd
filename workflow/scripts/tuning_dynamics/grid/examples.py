"""Which cells a report takes its examples from: few, and known before anything runs."""

from collections import Counter

from tuning_dynamics.common.constants import DEFAULT_FORMAT, PREDICTION_ORDER
from tuning_dynamics.common.variants import Cell, Variant
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid, role

#: Evaluation sets with examples.
MOST_SETS = 6

#: Roles of a set to a tuned model, those that say most of its tuning first.
_ROLES = ("id", "ood", "bench", "cross")


def example_cells(resolved: ResolvedStudy, grid: Grid) -> list[Cell]:
    """For a few evaluation sets the cells of the base model and of one model tuned by the main
    recipe, at the first family's last checkpoint that was tuned.

    Sets of all tasks come before second sets of one, and own tasks of tuned models before others.
    Of a set's tuned models the one tuned most alike is taken; format `default`, most shots for
    base and fewest for tuned models. Without tuned models the cells are those of base.
    """
    main = resolved.study.statistics.main_recipe
    tuned = [variant for variant in grid.tuned if variant.recipe == main]
    points = [variant.checkpoint for variant in tuned or grid.variants]
    if not points:
        return []
    family = min(point.family for point in points)
    last = max(point for point in points if point.family == family)
    base = _by_set(grid, [Variant(last.family, last.step, "base", "", None)])
    other = _by_set(grid, [variant for variant in tuned if variant.checkpoint == last])
    chosen = {
        name: min(cells, key=lambda cell: _closeness(resolved, cell))
        for name, cells in other.items()
    }
    ranked = sorted(
        {*base, *chosen},
        key=lambda name: (_closeness(resolved, chosen[name])[0] if name in chosen else 9, name),
    )
    return [
        cell
        for name in _tasks_in_turn(resolved, ranked)[:MOST_SETS]
        for cell in (*_of_base(base.get(name, [])), *_some(chosen.get(name)))
    ]


def _by_set(grid: Grid, variants: list[Variant]) -> dict[str, list[Cell]]:
    """The cells of some variants in the default format, by evaluation set."""
    found: dict[str, list[Cell]] = {}
    for variant in variants:
        for setting in grid.settings.get(variant, ()):
            cell = Cell(variant, *setting)
            if cell.format == DEFAULT_FORMAT:
                found.setdefault(cell.eval_set, []).append(cell)
    return found


def _closeness(resolved: ResolvedStudy, cell: Cell) -> tuple[int, tuple[object, ...], int, int]:
    """Sorts tuned cells: by role, variant, prediction method and shots."""
    place = _ROLES.index(role(resolved, cell.variant, cell.eval_set))
    return place, cell.variant.order(), _rank(cell), cell.shots


def _rank(cell: Cell) -> int:
    order = [*PREDICTION_ORDER, cell.prediction]
    return order.index(cell.prediction)


def _of_base(cells: list[Cell]) -> list[Cell]:
    """The base cell that tuned ones are compared with; none of none."""
    return sorted(cells, key=lambda cell: (_rank(cell), -cell.shots))[:1]


def _some(cell: Cell | None) -> list[Cell]:
    return [] if cell is None else [cell]


def _tasks_in_turn(resolved: ResolvedStudy, names: list[str]) -> list[str]:
    """The sets in their order, but each task's first one before any task's second."""
    seen: Counter[str] = Counter()
    turns = {}
    for name in names:
        task = resolved.datasets[name].task
        turns[name] = seen[task]
        seen[task] += 1
    return sorted(names, key=lambda name: turns[name])
