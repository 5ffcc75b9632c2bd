"""Pages of a synthetic study, without a run: tables in seconds, plain figures, fixed findings."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from synthetic import Truth, study_tables, write_cells

from tuning_dynamics.grid.figures import KINDS, StudyFigure
from tuning_dynamics.report.examples import CellExamples, Example
from tuning_dynamics.report.figures.style import save
from tuning_dynamics.report.page import CAPTIONS, About, write_pages
from tuning_dynamics.tables.catalogue import all_tables, columns_of
from tuning_dynamics.tables.columns import KEY_COLUMNS
from tuning_dynamics.tables.tables import from_rows, write_table

#: Large enough for each table to have rows.
SMALL = Truth(
    steps=(100, 1000),
    domains=("people", "places"),
    trained=("people", "places"),
    formats=("default", "io"),
    items=20,
)

COST: dict[str, object] = {
    **{"stage": "tune", "job": "toy/100/full/nli_people/seed1", "planned_seconds": 60.0},
    **{"seconds": 90.0, "peak_memory_mb": 500.0, "tokens": 10_000, "tokens_per_second": 111.1},
    "mfu": None,
}

FINDINGS: list[dict[str, Any]] = [
    {
        **{"finding": "forgetting", "number": 1, "verdict": "supported"},
        **{"title": "Tuning on one task can forget others", "statistic": "mean change"},
        **{"value": -0.12, "low": -0.16, "high": -0.08, "cells": 72, "floor": 0.01},
        "sentence": "Tuning on classification costs 0.120 of generation.",
    },
    {
        **{"finding": "format_sensitivity", "number": 2, "verdict": "contradicted"},
        **{"title": "Tuned models are sensitive to the format", "statistic": "slope of spread"},
        **{"value": 0.05, "low": 0.02, "high": 0.08, "cells": 72, "floor": None},
        "sentence": "The spread grows with pre-training.",
    },
    {
        **{"finding": "latent_gain", "number": 3, "verdict": "cannot tell"},
        **{"title": "Sets that base never learns gain", "statistic": "slope of change"},
        **{"value": 0.01, "low": None, "high": None, "cells": 4, "floor": None},
        "sentence": "There are 2 pairs; an interval needs 5.",
    },
    {
        **{"finding": "noise_floor", "number": None, "verdict": "cannot tell"},
        **{"title": "The noise floor", "statistic": "difference"},
        **{"value": None, "low": None, "high": None, "cells": 0, "floor": None},
        "sentence": "No cell has two seeds: <b>none</b>.",
    },
]


_CELL: dict[str, Any] = {"eval_set": "nli_people", "shots": "4 demonstrations", "records": "a/b"}

EXAMPLES = [
    CellExamples(
        **_CELL,
        model="toy 1000, not tuned",
        examples=[
            Example("item-1", "right", "Ada is tall.\nIs she?", False, "yes", "yes"),
            Example("item-2", "wrong", None, True, "", "no <i>"),
        ],
    ),
    CellExamples(**_CELL, model="toy 1000, full", examples=[], refused="item 3 has no answer"),
]


@dataclass(frozen=True)
class Made:
    """Inputs of the pages of the synthetic study."""

    about: About
    tables: dict[str, pd.DataFrame]
    figures: list[StudyFigure]
    report: Path
    findings: Path


def make_pages(folder: Path) -> Made:
    """Write the synthetic study's tables, figures and pages below `folder`; one of its cells has no
    score."""
    made = dict(_tables())
    asked = made["scores"][list(KEY_COLUMNS)]
    made["scores"] = made["scores"].iloc[1:]
    for name, table in made.items():
        write_table(table, folder / "tables" / f"{name}.csv")
    figures = _figures()
    paths = [folder / "figures" / figure.family / f"{figure.name}.svg" for figure in figures]
    for figure, path in zip(figures, paths, strict=True):
        _draw(figure, path)
    about = About(
        title="A made-up study <&>",
        summary={"Families": "toy", "Cells": f"{len(asked):,}"},
        seeds={"Tuning": "1", "Resampling": "0"},
        asked=asked,
        level=0.95,
        config="study: toy\n# <script>\n",
        recipe="full",
        examples=EXAMPLES,
    )
    report, findings = folder / "report.html", folder / "findings.html"
    csv = [folder / "tables" / f"{name}.csv" for name in made]
    write_pages(about, csv, list(zip(figures, paths, strict=True)), report, findings)
    return Made(about, made, figures, report, findings)


@cache
def _tables() -> dict[str, pd.DataFrame]:
    """The tables of the synthetic study, with fixed findings."""
    rows: list[dict[str, object]] = [
        {**row, "family": family} for family in ("toy", "other") for row in FINDINGS
    ]
    empty = {name: from_rows([], name) for name in all_tables()}
    with TemporaryDirectory() as folder:
        made = study_tables(write_cells(Path(folder), SMALL))
    cost = from_rows([dict.fromkeys(columns_of("cost"), "") | COST], "cost")
    return {**empty, **made, "findings": from_rows(rows, "findings"), "cost": cost}


def _figures() -> list[StudyFigure]:
    """One figure of each kind that has a caption."""
    return [
        StudyFigure("toy", kind.name, "", kind.name, kind.theme, kind.title, kind.paper)
        for kind in KINDS
        if (CAPTIONS / f"figure_{kind.name}.rst").is_file()
    ]


def _draw(figure: StudyFigure, path: Path) -> None:
    drawn = Figure(figsize=(6, 2))
    drawn.subplots().plot([0, 1], [0, len(figure.name)])
    save(drawn, path)
