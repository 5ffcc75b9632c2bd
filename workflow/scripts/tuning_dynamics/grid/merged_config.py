"""A study read back from its merged config: its cells, and what was studied.

Nothing here depends on `Jobs`, so that an edit there makes no table stale.
"""

from dataclasses import dataclass
from typing import Any

from tuning_dynamics.common.paths import Paths
from tuning_dynamics.common.variants import Cell
from tuning_dynamics.config.load import load_merged
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.figures import StudyFigure, figure_list, grid_pieces
from tuning_dynamics.grid.grid import Grid, expand, role
from tuning_dynamics.grid.published_table import PublishedTable, read_published
from tuning_dynamics.grid.splits import seen, used_splits
from tuning_dynamics.tables.columns import KEY_COLUMNS


@dataclass(frozen=True)
class Merged:
    """A study and its grid; `table` is a published table of scores, if any."""

    resolved: ResolvedStudy
    grid: Grid
    table: PublishedTable | None


def figures_of(
    resolved: ResolvedStudy, grid: Grid, table: PublishedTable | None
) -> list[StudyFigure]:
    """The figures of a study, or of a published table of scores."""
    recipe = resolved.study.statistics.main_recipe
    if table is not None:
        return figure_list(table.pieces(), recipe, measured=False)
    return figure_list(grid_pieces(resolved, grid), recipe)


def read_merged(config: str) -> Merged:
    """The study of a merged config."""
    resolved = load_merged(config)
    table = read_published(resolved.study, config) if resolved.study.scores else None
    return Merged(resolved, table.grid if table else expand(resolved, config), table)


def cell_row(resolved: ResolvedStudy, cell: Cell) -> dict[str, Any]:
    """A cell's key columns of scores.csv, `path` of its records, and the sets and splits that its
    model sees, `seen`."""
    variant = cell.variant
    return {
        "family": variant.family,
        "checkpoint": str(variant.step),
        "step": variant.step,
        "tokens": resolved.families[variant.family].tokens(variant.step),
        "recipe": variant.recipe,
        "train_set": variant.train_set,
        "seed": variant.seed,
        "eval_set": cell.eval_set,
        "task": resolved.datasets[cell.eval_set].task,
        "kind": resolved.kind(cell.eval_set),
        "role": role(resolved, variant, cell.eval_set),
        "format": cell.format,
        "shots": cell.shots,
        "draw": cell.draw,
        "prediction": cell.prediction,
        "metric": resolved.metric(cell.eval_set),
        "path": Paths(resolved.study.study).cell(cell),
        "seen": [
            (use.dataset, use.split)
            for use in seen(resolved, variant.recipe, variant.train_set, cell.eval_set, cell.shots)
        ],
    }


def cell_rows(merged: Merged) -> list[dict[str, Any]]:
    """Every cell's key columns of scores.csv, and the `path` of its records: "" if it has none."""
    if merged.table is not None:
        return [
            {**{name: row[name] for name in KEY_COLUMNS}, "path": ""} for row in merged.table.rows
        ]
    return [cell_row(merged.resolved, cell) for cell in merged.grid.cells]


def split_rows(merged: Merged) -> list[dict[str, Any]]:
    """`used_splits` of the study."""
    return used_splits(merged.resolved, merged.grid)


def summary(merged: Merged) -> dict[str, str]:
    """What was studied, in words and counts, for the top of a page."""
    grid, elsewhere = merged.grid, {}
    if merged.table is not None:
        file = f"{merged.table.named} (SHA-256 {merged.table.digest[:16]})"
        elsewhere["Scores"] = f"{file}, made elsewhere: what needs items is empty"
    return {
        **elsewhere,
        "Families": ", ".join(sorted({point.family for point in grid.checkpoints})),
        "Checkpoints": str(len(grid.checkpoints)),
        "Recipes": ", ".join(sorted({variant.recipe for variant in grid.variants})),
        "Train sets": str(len({variant.train_set for variant in grid.tuned})),
        "Tuned models": str(len(grid.tuned)),
        "Evaluation sets": str(len(grid.eval_sets)),
        "Cells": str(len(grid.cells)),
    }


def seeds(merged: Merged) -> dict[str, str]:
    """The study's seeds, by what they seed."""
    study = merged.resolved.study
    tuning = sorted({variant.seed for variant in merged.grid.tuned if variant.seed is not None})
    return {
        "Subsets, demonstrations, order of options": str(study.seed),
        "Tuning": ", ".join(map(str, tuning)),
        "Resampling": str(study.statistics.seed),
    }
