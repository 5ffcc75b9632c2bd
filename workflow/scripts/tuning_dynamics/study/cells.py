"""The cells of a study, read back from its merged config."""

from pathlib import Path
from typing import Any

from tuning_dynamics.study.jobs import Jobs
from tuning_dynamics.study.load import load_merged
from tuning_dynamics.study.score_columns import KEY_COLUMNS


def cell_rows(config: str) -> list[dict[str, Any]]:
    """Every cell's key columns of scores.csv, and the `path` of its records: "" without any."""
    jobs = Jobs(load_merged(config), config)
    if jobs.table is not None:
        return [
            {**{name: row[name] for name in KEY_COLUMNS}, "path": ""} for row in jobs.table.rows
        ]
    return [jobs.cell_row(cell) for cell in jobs.grid.cells]


def used_splits(config: str) -> list[dict[str, Any]]:
    """What the config says of each split that is used, with its dataset's `manifest` and
    `items`."""
    return Jobs(load_merged(config), config).used_splits()


def summary(config: str) -> dict[str, str]:
    """What was studied, in words and counts, for the head of a page."""
    jobs = Jobs(load_merged(config), config)
    grid, table = jobs.grid, jobs.table
    elsewhere = {}
    if table is not None:
        made = f"{Path(table.file).name} (SHA-256 {table.digest[:16]}), made elsewhere"
        elsewhere["Scores"] = f"{made}: what needs items is empty"
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


def seeds(config: str) -> dict[str, str]:
    """The seeds that the study was made with, by what they are of."""
    jobs = Jobs(load_merged(config), config)
    study = jobs.resolved.study
    tuning = sorted({variant.seed for variant in jobs.grid.tuned if variant.seed is not None})
    return {
        "Subsets, demonstrations, order of options": str(study.seed),
        "Tuning": ", ".join(map(str, tuning)),
        "Resampling": str(study.statistics.seed),
    }
