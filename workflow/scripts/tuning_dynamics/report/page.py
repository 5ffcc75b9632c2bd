"""A study's pages: its report, and its findings alone. Each is one self-contained file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.common.formatting import short_count, shots_text, signed, time_text
from tuning_dynamics.common.paths import ROOT, Paths
from tuning_dynamics.config.load import published_config
from tuning_dynamics.findings.caveats import (
    leaked,
    one_answer,
    out_of_line,
    rates_at_edge,
    refused,
)
from tuning_dynamics.grid.examples import example_cells
from tuning_dynamics.grid.figures import StudyFigure
from tuning_dynamics.grid.merged_config import (
    Merged,
    cell_row,
    cell_rows,
    figures_of,
    read_merged,
    seeds,
    summary,
)
from tuning_dynamics.report.account import commit, grid_rows, reasons, stage_costs, versions
from tuning_dynamics.report.answers import ROLES, answers, overview
from tuning_dynamics.report.captions import column_meanings, table_caption
from tuning_dynamics.report.examples import CellExamples, cell_examples
from tuning_dynamics.report.gallery import Picture, existing_files, pictures, shows, themes
from tuning_dynamics.report.interval import WIDTH, IntervalDrawing, drawing
from tuning_dynamics.report.table_json import embedded_tables
from tuning_dynamics.stats.leaks import overlap_sentences
from tuning_dynamics.tables.tables import read_table

#: The templates, styles and script of the pages.
TEMPLATES = Path(__file__).with_name("page")
#: Captions of figures.
CAPTIONS = ROOT / "workflow" / "report"

#: Characters of a page that figures and tables may take: so the page stays below 10 MiB.
FIGURE_CHARACTERS, TABLE_CHARACTERS = 6_500_000, 2_500_000

#: Comparisons of before and after that the page lists one by one: half a megabyte.
MOST_ANSWERS = 800


@dataclass(frozen=True)
class About:
    """What the pages say about a study, except its tables and figures.

    `summary` and `seeds` are texts by subject, `asked` has the key columns of scores.csv for each
    cell of the study, `level` is that of its intervals, `config` its text, `accepted` what was
    accepted as current by hand (`Current.accepted`), `recipe` the main one.
    """

    title: str
    summary: Mapping[str, str]
    seeds: Mapping[str, str]
    asked: pd.DataFrame
    level: float
    config: str
    accepted: Sequence[Mapping[str, str]] = ()
    recipe: str = ""
    examples: Sequence[CellExamples] = ()


@dataclass(frozen=True)
class Card:
    """A finding on a page: a row of findings.csv, its drawing and its figure; `lacking` if the
    study has too little data to say anything on it."""

    row: Mapping[str, Any]
    drawing: IntervalDrawing | None
    picture: Picture | None
    lacking: bool

    @property
    def number(self) -> int | None:
        """The finding's number in the paper; None for a check."""
        return None if pd.isna(self.row["number"]) else int(self.row["number"])


def write_report(
    config: str,
    tables: Sequence[str],
    accepted: Sequence[Mapping[str, str]],
    *,
    report: str,
    findings: str,
) -> None:
    """Write the report and the findings of a study from its merged config and its CSV tables.

    Its figures are where the config says, each as SVG, PNG and PDF, and the records and items of
    its examples too. StudyError for an invalid table, caption or figure, and for broken records.
    """
    merged = read_merged(config)
    study = merged.resolved.study
    about = About(
        title=study.title or study.study,
        summary=summary(merged),
        seeds=seeds(merged),
        asked=pd.DataFrame(cell_rows(merged)),
        level=study.statistics.level,
        config=published_config(config),
        accepted=accepted,
        recipe=study.statistics.main_recipe,
        examples=examples_of(merged),
    )
    paths = Paths(study.study)
    listed = figures_of(merged.resolved, merged.grid, merged.table)
    figures = [(one, Path(paths.figure(one.family, one.name))) for one in listed]
    write_pages(about, list(map(Path, tables)), figures, Path(report), Path(findings))


def examples_of(merged: Merged) -> list[CellExamples]:
    """The examples of a study; none for published scores."""
    if merged.table is not None:
        return []
    cells = example_cells(merged.resolved, merged.grid)
    return [cell_examples(cell_row(merged.resolved, cell)) for cell in cells]


def write_pages(
    about: About,
    tables: Sequence[Path],
    figures: Iterable[tuple[StudyFigure, Path]],
    report: Path,
    findings: Path,
) -> None:
    """Write both pages from CSV tables, and figures as SVG files."""
    read = {path.stem: read_table(path) for path in tables}
    found = pictures(figures, report, CAPTIONS, FIGURE_CHARACTERS)
    shown = cards(read["findings"], found)
    changed = answers(read, about.recipe, about.level)
    head = {
        "about": about,
        "summary": {
            **about.summary,
            **out_of_line(read["checkpoints"]),
            **refused(read["unpaired"]),
            **leaked(read["overlaps"]),
            **one_answer(read["scores"]),
            **rates_at_edge(read["rates"]),
        },
        "overview": overview(changed, read["findings"]),
        "answers": changed,
        "cards": shown,
        "above": {card.picture.anchor for own in shown.values() for card in own if card.picture},
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    _render("findings.html", findings, head)
    files = {path.stem: existing_files(path, report, "csv", "parquet", "tex") for path in tables}
    _render("report.html", report, head | _body(about, read, found) | {"files": files})


def cards(findings: pd.DataFrame, found: Sequence[Picture]) -> dict[str, list[Card]]:
    """The findings by family, in the table's order; a picture is shown with its first finding."""
    by_family: dict[str, list[Card]] = {}
    left = list(found)
    for row in findings.to_dict("records"):
        without = lacking(row)
        picture = None if without else shows(row["finding"], row["family"], left)
        left = [other for other in left if other is not picture]
        # Findings without a number are sizes and places, where 0 has no meaning.
        ends = [float(row[name]) for name in ("value", "low", "high", "floor")]
        card = Card(row, None if pd.isna(row["number"]) else drawing(*ends), picture, without)
        by_family.setdefault(row["family"], []).append(card)
    return by_family


def lacking(finding: Mapping[str, Any]) -> bool:
    """Whether a study has too little data to say anything on a finding, a row of findings.csv: it
    has no cells, or a published finding has no interval."""
    no_interval = not pd.isna(finding["number"]) and pd.isna(finding["low"])
    return finding["verdict"] == "cannot tell" and (finding["cells"] == 0 or bool(no_interval))


def _body(
    about: About, tables: Mapping[str, pd.DataFrame], found: Sequence[Picture]
) -> dict[str, Any]:
    """What the report alone shows."""
    checkpoints = tables["checkpoints"]
    return {
        "themes": themes(found),
        "outside": sum(not picture.inside for picture in found),
        "tables": embedded_tables(_findings_first(tables), TABLE_CHARACTERS),
        "captions": {name: table_caption(name) for name in tables},
        "meanings": {name: column_meanings(name) for name in tables},
        "grid": grid_rows(about.asked, tables["scores"]),
        "unpaired": reasons(tables["unpaired"]),
        "overlaps": overlap_sentences(tables["overlaps"]),
        "broken": checkpoints[checkpoints["breaks_curve"] == "yes"].to_dict("records"),
        "losses": int(checkpoints["text_loss"].notna().sum()),
        "gaps": checkpoints[checkpoints["gap_before"].notna()].to_dict("records"),
        "checkpoints": checkpoints.to_dict("records"),
        "datasets": tables["datasets"].to_dict("records"),
        "costs": stage_costs(tables["cost"]),
        "commit": commit(ROOT),
        "versions": versions(),
    }


def _findings_first(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {"findings": tables["findings"], **tables}


def _render(template: str, output: Path, context: Mapping[str, Any]) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "drawing_width": WIDTH,
        "most_answers": MOST_ANSWERS,
        "roles": ROLES,
        "file": lambda name: (TEMPLATES / name).read_text(encoding="utf-8"),
    }
    environment.filters |= {
        "count": short_count,
        "time": time_text,
        "signed": signed,
        "score": lambda value: "" if pd.isna(value) else f"{value:.3f}",
        "shots": shots_text,
    }
    page = environment.get_template(template).render(context)
    with whole_file(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
