"""What the rules of report.smk need from a study."""

import hashlib
from functools import cached_property
from pathlib import Path

from tuning_dynamics.common.atomic_files import file_digest
from tuning_dynamics.common.paths import ROOT, SCRIPTS
from tuning_dynamics.config.base import canonical
from tuning_dynamics.grid.examples import example_cells
from tuning_dynamics.grid.figures import (
    STYLE_FILE,
    StudyFigure,
    figure_rows,
    figure_tables,
)
from tuning_dynamics.grid.merged_config import figures_of
from tuning_dynamics.run.jobs.scope import RuleJobs

#: What the pages show in addition to inputs and code: templates, captions, and the descriptions of
#: tables.
PAGE_PARTS = (
    SCRIPTS / "tuning_dynamics" / "report" / "page",
    ROOT / "workflow" / "report",
    SCRIPTS / "tuning_dynamics" / "tables" / "columns.py",
    *(SCRIPTS / "tuning_dynamics" / "tables" / "declared").glob("*.py"),
)


class ReportJobs(RuleJobs):
    """What the rules of report.smk need from a study."""

    @cached_property
    def figures(self) -> list[StudyFigure]:
        """The figures that the study has, by family, with theme, title and caption."""
        return figures_of(self.resolved, self.grid, self.table)

    def page_spec(self) -> str:
        """The spec of the pages, without their inputs and code: templates, captions, and the
        descriptions of the tables' columns."""
        return canonical({"shown": _files_digest(*PAGE_PARTS)})

    def accepted(self) -> str:
        """What was accepted as current by hand, which the pages list; not the acceptance of the
        pages themselves, as listing it would change them."""
        accepted = self.scope.current.accepted()
        return canonical([entry for entry in accepted if entry["stage"] != "report"])

    def example_files(self) -> list[str]:
        """What the report takes its examples from: records of a few cells, and the items and
        demonstrations that their models were shown; none of published scores."""
        if self.table is not None:
            return []
        files: set[str] = set()
        for cell in example_cells(self.resolved, self.grid):
            files |= {self.paths.cell(cell), self.paths.items(cell.eval_set)}
            if cell.shots:
                files.add(self.paths.items(self.resolved.demonstrations(cell.eval_set)))
        return sorted(files)

    def figure_path(self, figure: StudyFigure, suffix: str = "svg") -> str:
        """A figure's file as SVG, PDF or PNG."""
        return self.paths.figure(figure.family, figure.name, suffix)

    def figure_files(self) -> list[str]:
        """Every figure, as SVG."""
        return [self.figure_path(figure) for figure in self.figures]

    @property
    def figure_tables(self) -> list[str]:
        """Names of the tables from which the figures are drawn."""
        return figure_tables(self.figures)

    def figures_spec(self) -> str:
        """The spec of the figures, without tables, code and style: the list of figures, the level
        of intervals, and the main recipe."""
        statistics = self.resolved.study.statistics
        return canonical(
            {
                "figures": figure_rows(self.figures),
                "level": statistics.level,
                "recipe": statistics.main_recipe,
            }
        )

    @property
    def figures_style(self) -> str:
        """Digest of the figures' style."""
        return file_digest(STYLE_FILE)


def _files_digest(*paths: Path) -> str:
    """Digest of files, and of all files in folders, with their names below the repository."""
    digest = hashlib.sha256()
    inside = [found for path in paths for found in (path, *path.rglob("*"))]
    for path in sorted(path for path in inside if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\n{file_digest(path)}\n".encode())
    return digest.hexdigest()[:16]
