"""Draw a study's figures from its tables into files."""

import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tuning_dynamics.grid.figures import KINDS
from tuning_dynamics.report.figures import checks, formats, groups, recipes, scores, transfer
from tuning_dynamics.report.figures.style import save
from tuning_dynamics.report.figures.view import View
from tuning_dynamics.tables.tables import read_table

#: The function that draws each kind of figure.
DRAWN: dict[str, Callable[[View], Figure]] = {
    "base_by_checkpoint": scores.base_by_checkpoint,
    "turning_points": checks.turning_points,
    "in_domain": scores.in_domain,
    "ood": scores.ood,
    "ood_change": groups.ood_change,
    "score_by_checkpoint": scores.score_by_checkpoint,
    "score_by_recipe": recipes.score_by_recipe,
    "forgetting": transfer.forgetting,
    "transfer_heat_map": transfer.transfer_heat_map,
    "transfer_by_checkpoint": transfer.transfer_by_checkpoint,
    "transfer_statistics": transfer.transfer_statistics,
    "denominators": transfer.denominators,
    "cross_classification": partial(scores.cross, kind="classification"),
    "cross_generation": partial(scores.cross, kind="generation"),
    "cross_multiple_choice": partial(scores.cross, kind="multiple_choice"),
    "change_by_group": groups.change_by_group,
    "group_rules": groups.group_rules,
    "latent_gain": groups.latent_gain,
    "score_by_format": scores.score_by_format,
    "sensitivity": formats.sensitivity,
    "format_trend": formats.format_trend,
    "noise": checks.noise,
    "text_loss": checks.text_loss,
}

_TABLES = {kind.name: (*kind.tables, "checkpoints") for kind in KINDS}


def draw_figures(
    tables: Mapping[str, str],
    folder: Path,
    *,
    figures: Sequence[Mapping[str, Any]],
    level: float,
    recipe: str,
    processes: int,
) -> None:
    """Draw `figures` (rows of `grid.figures.figure_rows`) below `folder`, by family.

    `tables` are CSV files by name; `recipe` is the study's main one. Each figure becomes an SVG,
    a PDF and a PNG file.
    """
    read = {name: read_table(Path(path)) for name, path in tables.items()}
    families = {str(figure["family"]) for figure in figures}
    own = {family: _of_family(read, family) for family in families}
    tasks = [
        (
            figure["kind"],
            View(
                family=figure["family"],
                tables={name: own[figure["family"]][name] for name in _TABLES[figure["kind"]]},
                level=level,
                recipe=recipe,
                train_set=figure["train_set"],
            ),
            Path(folder, figure["family"], f"{figure['name']}.svg"),
        )
        for figure in figures
    ]
    if processes == 1:
        for task in tasks:
            _draw(task)
        return
    # Repeated garbage collection over the imported objects would take a seventh of the time.
    with ProcessPoolExecutor(processes, initializer=gc.freeze) as pool:
        # A list, so that an error in any of them is raised here.
        list(pool.map(_draw, tasks))


def _of_family(tables: Mapping[str, pd.DataFrame], family: str) -> dict[str, pd.DataFrame]:
    return {
        name: table[table["family"] == family] if "family" in table else table
        for name, table in tables.items()
    }


def _draw(task: tuple[str, View, Path]) -> None:
    kind, view, path = task
    save(DRAWN[kind](view), path)
