"""Draw a study's figures from its tables into files."""

from pathlib import Path

from tuning_dynamics.report.curve import text_loss_by_checkpoint
from tuning_dynamics.report.figures import (
    base_by_checkpoint,
    change_by_group,
    ood_bars,
    score_by_checkpoint,
    sensitivity_by_checkpoint,
    transfer_by_checkpoint,
    transfer_heat_map,
)
from tuning_dynamics.report.style import save
from tuning_dynamics.stats.tables import read_table


def draw_family(
    family: str, tables: dict[str, str], outputs: dict[str, str], *, level: float, recipe: str
) -> None:
    """Draw the figures of a family: `tables` are CSV files by name, `outputs` SVG files by
    figure; each gets a PNG beside it."""
    read = {name: read_table(Path(path)) for name, path in tables.items()}
    scores = read["scores"]
    figures = {
        "base_by_checkpoint": base_by_checkpoint(
            scores, read["groups"], family=family, level=level
        ),
        "change_by_group": change_by_group(read["group_changes"], family=family, level=level),
        "ood": ood_bars(scores, family=family, recipe=recipe, level=level),
        "transfer_heat_map": transfer_heat_map(read["changes"], family=family, recipe=recipe),
        "transfer_by_checkpoint": transfer_by_checkpoint(
            read["transfer"], scores, family=family, level=level
        ),
        "sensitivity": sensitivity_by_checkpoint(
            read["sensitivity"], scores, family=family, level=level
        ),
        "text_loss": text_loss_by_checkpoint(read["checkpoints"], family=family),
    }
    for name, figure in figures.items():
        save(figure, Path(outputs[name]))


def draw_train_set(
    family: str, train_set: str, scores: str, outputs: dict[str, str], *, level: float
) -> None:
    """Draw the scores of the models tuned on one set, by recipe and by format."""
    table = read_table(Path(scores))
    for name, by in (("score_by_checkpoint", "recipe"), ("score_by_format", "format")):
        figure = score_by_checkpoint(table, family=family, train_set=train_set, level=level, by=by)
        save(figure, Path(outputs[name]))
