"""What the rules of data.smk need from a study."""

from functools import cached_property
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.model_files import config_for_text
from tuning_dynamics.common.variants import drawn_name
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.family import LocalFamily
from tuning_dynamics.grid.splits import comparisons
from tuning_dynamics.run.jobs.checkpoints import CheckpointJobs
from tuning_dynamics.run.jobs.scope import RuleJobs, Scope


class DataJobs(RuleJobs):
    """What the rules of data.smk need from a study."""

    def __init__(self, scope: Scope, checkpoints: CheckpointJobs) -> None:
        super().__init__(scope)
        self.checkpoints = checkpoints

    def data_files(self, dataset: str) -> list[str]:
        """Local files that a dataset is read from."""
        description = self.resolved.datasets[dataset]
        found = []
        if description.source.files is not None:
            files = description.source.files
            found += [path for path in (files.train, files.evaluation) if path is not None]
        if description.join is not None:
            found.append(description.join.file)
        return [self.scope.rooted(path, f"datasets/{dataset}.yaml") for path in found]

    @property
    def reads_hub(self) -> bool:
        """Whether datasets are read from the hub."""
        return any(dataset.source.hub is not None for dataset in self.resolved.datasets.values())

    def freeze_spec(self, dataset: str) -> str:
        """The spec of a dataset's frozen items."""
        study = self.resolved.study
        description = self.resolved.datasets[dataset]
        spec: dict[str, Any] = {
            "dataset": description.model_dump(mode="json", exclude_defaults=True),
            "kind": self.resolved.kind(dataset),
            "seed": study.seed,
            "train_items": study.data.train_items_of.get(dataset, study.data.train_items),
            "evaluation_items": study.data.evaluation_items,
        }
        # Formats only display items, a size is for the budget, the others are for the tables.
        for key in ("formats", "size", "known_overlaps", "answer_pattern"):
            spec["dataset"].pop(key, None)
        if description.source.world is not None:
            spec["world"] = study.world.model_dump(exclude_defaults=True)
        return canonical(spec)

    def draw_spec(self, dataset: str, draw: str) -> str:
        """The spec of a draw of a dataset's demonstrations, without its items."""
        kind, seed = self.resolved.kind(dataset), self.resolved.study.seed
        return canonical({"kind": kind, "seed": seed, "draw": int(draw)})

    @cached_property
    def _comparisons(self) -> list[dict[str, Any]]:
        return comparisons(self.resolved, self.grid)

    @property
    def compared_sets(self) -> list[str]:
        """The sets of which evaluated items, training rows or demonstrations are compared."""
        names = ("eval_set", "dataset")
        return sorted({pair[name] for pair in self._comparisons for name in names})

    @cached_property
    def _compared(self) -> dict[str, str]:
        """The files of items that are compared, by the names of sets and of draws."""
        sets = {name: self.paths.items(name) for name in self.compared_sets}
        draws = {
            (pair["dataset"], draw)
            for pair in self._comparisons
            for draw in pair.get("draws", ())
            if draw
        }
        return sets | {drawn_name(*one): self.paths.draw(*one) for one in sorted(draws)}

    def compared_files(self) -> list[str]:
        """The files of items that are compared."""
        return list(self._compared.values())

    def overlaps_spec(self) -> str:
        """The spec of the overlaps: pairs, and the sets and draws in the inputs' order."""
        return canonical({"pairs": self._comparisons, "sets": list(self._compared)})

    def encode_spec(self, family: str, dataset: str, layout: str) -> str:
        """The spec of a train set's token ids, without items and tokenizer: the template of a
        format, or a layout of dialogues; and the end of a text. StudyError for a format that the
        set does not have."""
        instruction = self.resolved.kind(dataset) == "instruction"
        formats = self.resolved.formats(dataset)
        if not instruction and layout not in formats:
            raise StudyError(
                f"train set {dataset!r} has no format {layout!r}",
                file=self.file,
                key="stages.data.format",
                value=layout,
                fix=f"known: {', '.join(formats)}; or add it to the dataset or its task",
            )
        local = isinstance(self.resolved.families[family], LocalFamily)
        first = self.resolved.families[family].steps()[0]
        return canonical(
            {
                **(
                    {"config": config_for_text(self.checkpoints.local_folder(family, first))}
                    if local
                    else {}
                ),
                "template": None if instruction else formats[layout],
                "dialogue": layout if instruction else None,
                "max_length": self.resolved.study.tune.max_length,
            }
        )
