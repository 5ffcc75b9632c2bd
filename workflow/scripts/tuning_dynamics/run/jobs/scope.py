"""A study, its grid and its paths, and the part of it that a run makes."""

import re
from functools import cached_property
from pathlib import Path

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths, fill_root
from tuning_dynamics.common.variants import Variant, parse_variant
from tuning_dynamics.config.family import PretrainFamily
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid, expand
from tuning_dynamics.grid.published_table import read_published
from tuning_dynamics.identity.current import Current
from tuning_dynamics.identity.file_digests import Digests
from tuning_dynamics.run.jobs.patterns import either
from tuning_dynamics.run.parts import (
    StudyPart,
    part_variants,
)


class Scope:
    """A study, its grid and its paths, and the part of it that a run makes."""

    def __init__(self, resolved: ResolvedStudy, file: str, part: StudyPart | None = None) -> None:
        self.resolved, self.file, self.part = resolved, file, part
        # The table of a study of published scores, which runs no model.
        self.table = read_published(resolved.study, file) if resolved.study.scores else None
        self.grid: Grid = self.table.grid if self.table else expand(resolved, file)
        self.paths = Paths(resolved.study.study)
        if self.table is not None and part is not None:
            raise StudyError(
                "a study of published scores has no cells to divide into parts",
                file=file,
                key="part",
                value=f"{part.number or 'tables'}/{part.parts}",
                fix="leave part out: one run makes all of it",
            )

    @cached_property
    def current(self) -> Current:
        """Which results of the study are current."""
        return Current(self.paths, Digests(Path(self.paths.seen)))

    def rooted(self, path: str, file: str) -> str:
        """A path of the user's with {data_root} filled in; StudyError for one with braces, which
        Snakemake takes for a wildcard."""
        root = self.resolved.study.data_root
        found = fill_root(path, root, file)
        if re.search(r"\{.*\}", found):
            raise StudyError(
                "the path has braces, which Snakemake takes for a wildcard",
                file=file,
                key="path",
                value=found,
                fix="rename the folder, or name a link to it: ln -s FOLDER OTHER",
            )
        return found

    def families(self, *sources: str) -> str:
        """Pattern of the families of one or several sources."""
        return either(
            name for name, family in self.resolved.families.items() if family.source in sources
        )

    @cached_property
    def datasets(self) -> str:
        """Pattern of the datasets."""
        return either(self.resolved.datasets)

    @cached_property
    def tuned(self) -> str:
        """Pattern of tuned variants."""
        families, recipes, train_sets = (
            either(training[place] for training in self.grid.trainings) for place in range(3)
        )
        return f"{families}/[0-9]+/{recipes}/{train_sets}/seed[0-9]+"

    def variant(self, key: str) -> Variant:
        """The variant of a key; StudyError if the grid has none."""
        variant = parse_variant(key)
        if not self.grid.has_variant(variant):
            raise StudyError(
                "the study's grid has no such variant",
                file=self.file,
                key="blocks",
                value=key,
                fix="add it to a block, or ask for one of the grid (snakemake -n lists them)",
            )
        return variant

    @property
    def makes_cells(self) -> bool:
        """Whether this run makes cells; the run for the tables of a study in parts uses existing
        ones (docs/scale.md), and published scores have none (docs/published.md)."""
        return self.table is None and not self.makes_tables_of_parts

    @property
    def makes_tables_of_parts(self) -> bool:
        """Whether this run makes the tables of a study in parts."""
        return self.part is not None and self.part.number is None

    def pretrained(self, family: str) -> PretrainFamily:
        description = self.resolved.families[family]
        assert isinstance(description, PretrainFamily), family
        return description

    def pretrained_to(self) -> dict[str, int]:
        """The last step to which each family is pre-trained here."""
        return {
            name: self.grid.steps(name)[-1]
            for name, family in self.resolved.families.items()
            if isinstance(family, PretrainFamily)
        }

    def evaluated(self) -> list[Variant]:
        """The variants that this run may evaluate."""
        if not self.makes_cells:
            return []
        if self.part is None or self.part.number is None:
            return self.grid.variants
        return part_variants(self.grid, self.part.number, self.part.parts, self.file)


class RuleJobs:
    """What the rules of one file need from a study."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.resolved, self.file, self.table = scope.resolved, scope.file, scope.table
        self.grid, self.paths = scope.grid, scope.paths
