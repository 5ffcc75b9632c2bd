"""The jobs of one study, by rule file."""

from collections.abc import Mapping
from pathlib import Path

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import RESERVED
from tuning_dynamics.common.variants import variant_key
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.checks import require_named
from tuning_dynamics.grid.compare_request import COMPARISONS
from tuning_dynamics.grid.dataset_checks import require_fitting
from tuning_dynamics.identity.reasons import Reason
from tuning_dynamics.run.jobs.checkpoints import CheckpointJobs
from tuning_dynamics.run.jobs.data import DataJobs
from tuning_dynamics.run.jobs.evaluate import EvaluateJobs
from tuning_dynamics.run.jobs.report import ReportJobs
from tuning_dynamics.run.jobs.scope import Scope
from tuning_dynamics.run.jobs.stats import StatsJobs
from tuning_dynamics.run.jobs.tune import TuneJobs
from tuning_dynamics.run.parts import (
    StudyPart,
    part_variants,
)
from tuning_dynamics.stats.metrics import require_metric
from tuning_dynamics.tables.catalogue import all_tables
from tuning_dynamics.tables.columns import POOLED


class Jobs(Scope):
    """The jobs of one study, by rule file."""

    def __init__(self, resolved: ResolvedStudy, file: str, part: StudyPart | None = None) -> None:
        super().__init__(resolved, file, part)
        self.checkpoints = CheckpointJobs(self)
        self.data = DataJobs(self, self.checkpoints)
        self.tune = TuneJobs(self)
        self.evaluate = EvaluateJobs(self)
        self.stats = StatsJobs(self, self.tune)
        self.report = ReportJobs(self)
        self._check_names()
        if self.table is None:
            require_fitting(resolved, self.grid)
        self._check_main_recipe()
        self._check_statistics()
        self.tune.check_candidates()

    def _check_main_recipe(self) -> None:
        tuned = sorted({recipe for _, recipe, _ in self.grid.trainings})
        main = self.resolved.study.statistics.main_recipe
        if tuned and main not in tuned:
            raise StudyError(
                "the recipe that transfer and groups are computed on is not in the study",
                file=self.file,
                key="statistics.main_recipe",
                value=main,
                fix=f"set it to one of {', '.join(tuned)}",
            )

    def _check_statistics(self) -> None:
        settings = self.resolved.study.statistics
        tuned = {recipe for _, recipe, _ in self.grid.trainings}
        own = {name for _, recipe, name in self.grid.trainings if recipe == settings.main_recipe}
        require_named(
            settings,
            recipes=tuned,
            train_sets=own,
            eval_sets=self.grid.eval_sets,
            # Those of published scores are in their file, which the summaries hold against this.
            metrics=map(self.resolved.metric, self.grid.eval_sets) if self.table is None else None,
            file=self.file,
        )

    def check_whole(self) -> None:
        """StudyError for errors that single jobs do not find: a missing local file of the study,
        more parts than checkpoints, a file in the place of a folder of results."""
        self._require_folders()
        if self.table is not None:
            return
        if self.part is not None and self.part.number is None:
            self._require_current_cells(self.part.parts)
        if self.part is not None and self.part.number is not None:
            self.part_files(self.part.number, self.part.parts)
        for dataset in self.resolved.datasets:
            for path in self.data.data_files(dataset):
                if not Path(path).is_file():
                    raise StudyError(
                        "the data file does not exist",
                        file=f"datasets/{dataset}.yaml",
                        key="source.files or join.file",
                        value=path,
                        fix="check the path and data_root",
                    )
        for family in self.pretrained_to():
            self.checkpoints.corpus_files(family)
        self.checkpoints.require_folders()

    def _require_folders(self) -> None:
        root = Path(self.paths.root)
        own = [*sorted(RESERVED), *sorted(self.resolved.families)]
        for folder in (*reversed(root.parents), root, *(root / name for name in own)):
            if folder.exists() and not folder.is_dir():
                raise StudyError(
                    "a file is in the place of a folder of results",
                    file=folder,
                    key="study",
                    value=self.resolved.study.study,
                    fix="move it away, or give the study another name",
                )

    def _require_current_cells(self, parts: int) -> None:
        """StudyError for cells of a study in parts, or losses on the fixed text, that are missing
        or not current."""
        stale = {
            cell: reason
            for variant in self.grid.variants
            for cell, reason in self.current.stale_cells(self.evaluate.evaluation(variant)).items()
        }
        _require_none_stale(stale, f"{len(self.grid.cells):,} cells", parts)
        losses = self.evaluate.stale_text_losses()
        _require_none_stale(losses, f"{len(self.grid.tuned):,} losses on the fixed text", parts)

    def _check_names(self) -> None:
        if self.resolved.study.study == COMPARISONS:
            raise StudyError(
                "the study's name is that of the folder of comparisons",
                file=self.file,
                key="study",
                value=COMPARISONS,
                fix="rename it",
            )
        taken = sorted(RESERVED & set(self.resolved.families))
        if taken:
            raise StudyError(
                "the family's name is that of a folder of every study",
                file=self.file,
                key="blocks.family",
                value=taken,
                fix=f"rename it; taken: {', '.join(sorted(RESERVED))}",
            )
        if POOLED in self.resolved.datasets:
            raise StudyError(
                "the dataset's name is that of rows that pool several sets",
                file=self.file,
                key="blocks.eval_sets",
                value=POOLED,
                fix=f"rename datasets/{POOLED}.yaml",
            )

        for name in self.grid.eval_sets if self.table is None else ():
            require_metric(self.resolved.metric(name), f"datasets/{name}.yaml")

    @property
    def stages(self) -> list[str]:
        """The rule files of the study, in the order of its data."""
        if self.table is not None:
            return ["published", "stats", "report", "plan"]
        making = ["data", "checkpoints", "tune", *(["evaluate"] if self.makes_cells else [])]
        return [*making, "sources", "stats", "report", "plan"]

    def wanted(self) -> list[str]:
        """The files that a run without named targets makes: all results of a study, by name, so
        that a deleted one is made again."""
        tables = [
            path(name) for path in (self.paths.table, self.paths.parquet) for name in all_tables()
        ]
        figures = [
            self.report.figure_path(one, kind)
            for kind in ("svg", "pdf", "png")
            for one in self.report.figures
        ]
        whole = [self.paths.report, self.paths.findings, self.paths.config, *tables, *figures]
        if self.table is not None:
            return whole
        if self.part is None:
            return [*whole, *self.evaluate.cell_files(), *self._model_files()]
        if self.part.number is None:
            # The inputs of cells must be current, which their plan shows (`plan.limits.guard`).
            return [*whole, *(self.paths.manifest(variant) for variant in self.grid.variants)]
        return self.part_files(self.part.number, self.part.parts)

    def _model_files(self) -> list[str]:
        """The manifest of every model, the folder of weights if they are made here and kept, and
        losses on the fixed text."""
        keys = [variant_key(variant) for variant in self.grid.tuned]
        kept = keys if self.resolved.study.keep_weights == "all" else []
        return [
            *self.checkpoints.checkpoint_files(),
            *(
                self.paths.checkpoint_file(name, str(step), "weights")
                for name in self.pretrained_to()
                for step in self.grid.steps(name)
            ),
            *(self.paths.variant_file(key, "manifest.json") for key in keys),
            *(self.paths.variant_file(key, "weights") for key in kept),
            *self.evaluate.text_loss_files(self.grid.tuned),
        ]

    def part_files(self, number: int, parts: int) -> list[str]:
        """The cells of a part, the manifests of their models, and losses on the fixed text."""
        variants = part_variants(self.grid, number, parts, self.file)
        return [
            *self.evaluate.cells_of_variants(variants),
            *self.evaluate.text_loss_files(variants),
            *dict.fromkeys(map(self.paths.manifest, variants)),
        ]


def _require_none_stale(stale: Mapping[str, Reason], of_all: str, parts: int) -> None:
    if stale:
        first = min(stale)
        raise StudyError(
            f"{len(stale):,} of {of_all} are missing or not current",
            file=first,
            key="part",
            value="missing" if stale[first].absent else stale[first].text,
            fix=f"run the parts again, 1/{parts} to {parts}/{parts}; each makes only what is "
            "missing",
        )
