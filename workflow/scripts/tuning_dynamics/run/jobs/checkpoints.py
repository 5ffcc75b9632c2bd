"""What the rules of checkpoints.smk need from a study."""

import glob
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.model_files import model_files, tokenizer_files
from tuning_dynamics.common.variants import Checkpoint
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.family import HubFamily, LocalFamily
from tuning_dynamics.run.jobs.scope import RuleJobs


class CheckpointJobs(RuleJobs):
    """What the rules of checkpoints.smk need from a study."""

    def corpus_files(self, family: str) -> list[str]:
        """Local files that a family is pre-trained on; StudyError if a pattern matches none."""
        file, found = f"families/{family}.yaml", []
        for pattern in self.scope.pretrained(family).corpus.files:
            matches = sorted(glob.glob(self.scope.rooted(pattern, file)))
            if not matches:
                raise StudyError(
                    "no corpus file matches",
                    file=file,
                    key="corpus.files",
                    value=self.scope.rooted(pattern, file),
                    fix="check the pattern and data_root",
                )
            found += matches
        return found

    def corpus_spec(self, family: str) -> str:
        """The spec of a family's tokenizer and token ids."""
        description = self.scope.pretrained(family)
        spec = {
            "corpus": description.corpus.model_dump(exclude_defaults=True),
            "vocab_size": description.architecture.vocab_size,
            "heldout": description.heldout,
            "tokenizer_text": description.tokenizer_text,
            "seed": description.training.seed,
        }
        if description.corpus.world:
            spec["world"] = self.resolved.study.world.model_dump(exclude_defaults=True)
        return canonical(spec)

    def family_spec(self, family: str) -> str:
        """The spec of a pre-trained family's weights. The choice of points to keep changes none."""
        description = self.scope.pretrained(family)
        spec = description.model_dump(mode="json", exclude_defaults=True, exclude={"checkpoints"})
        return canonical({**spec, "source": description.source})

    def checkpoint_spec(self, family: str, step: int) -> str:
        """The spec of a downloaded or local checkpoint: it does not depend on other checkpoints."""
        elsewhere = {"checkpoints", "available", "equal_weights", "size", "members"}
        return canonical(self._taken(family, elsewhere, only=step))

    def wanted_steps(self, family: str) -> str:
        """The steps that a hub checkpoint is compared with: those that the study takes, and those
        known to be equal. They can stop a download but change none."""
        described = self.resolved.families[family].model_dump(
            mode="json", exclude_defaults=True, include={"equal_weights", "repositories"}
        )
        return canonical({**described, "checkpoints": {"steps": self.grid.steps(family)}})

    def tokenizer_spec(self, family: str) -> str:
        """The spec of a hub family's tokenizer: where its last revision is."""
        others = {"checkpoints", "available", "equal_weights", "pickles", "tokens_before"}
        description = self.resolved.families[family]
        assert isinstance(description, HubFamily), family
        last = max(description.repositories, default=None)
        return canonical(self._taken(family, {*others, "size", "members"}, only=last))

    def revisions_spec(self, family: str) -> str:
        """The spec of a hub family's listing: its naming and the steps that the study takes."""
        taken = self._taken(family, {"available", "size", "members", "tokens_before"})
        return canonical({**taken, "checkpoints": {"steps": self.grid.steps(family)}})

    def _taken(self, family: str, without: set[str], only: int | None = None) -> dict[str, Any]:
        """A family's settings without some; from several repositories `only` that of a step."""
        description = self.resolved.families[family]
        spec = description.model_dump(mode="json", exclude_defaults=True, exclude=without)
        if "repositories" in spec and only is not None:
            spec["repositories"] = {str(only): spec["repositories"][str(only)]}
        return {**spec, "source": description.source}

    def downloaded(self, family: str, step: str) -> list[str]:
        """The record of a hub checkpoint's download; none for a local one."""
        hub = self.resolved.families[family].source == "hub"
        return [self.paths.checkpoint_file(family, step, "download.json")] if hub else []

    def previous(self, family: str, step: int) -> Checkpoint | None:
        """The checkpoint that pre-training to `step` continues from; None for the first."""
        steps = self.scope.pretrained(family).steps()
        if step not in steps:
            raise StudyError(
                "the family has no such checkpoint",
                file=f"families/{family}.yaml",
                key="checkpoints",
                value=step,
                fix=f"choose from {steps}",
            )
        place = steps.index(step)
        return Checkpoint(family, steps[place - 1]) if place else None

    def previous_states(self, family: str, step: int) -> list[str]:
        """The state that pre-training to `step` continues from: a path, or none."""
        previous = self.previous(family, step)
        if previous is None:
            return []
        return [self.paths.checkpoint_file(family, previous.step, "state.pt")]

    def tokenizer_manifest(self, family: str) -> list[str]:
        """The manifest or note of the tokenizer that prepares data for all checkpoints of a
        family; none for local ones, whose files are inputs themselves.

        It never depends on the study's checkpoints: a new one must not cause data to be encoded
        again, and with it all models to be tuned again.
        """
        description = self.resolved.families[family]
        if isinstance(description, HubFamily):
            return [self.paths.tokenizer(family)]
        if isinstance(description, LocalFamily):
            return []
        return [self.paths.checkpoint(Checkpoint(family, description.steps()[0]))]

    def tokenizer_files(self, family: str) -> list[str]:
        """The files of the tokenizer that prepares data for a local family's checkpoints."""
        description = self.resolved.families[family]
        if not isinstance(description, LocalFamily):
            return []
        folder = self.local_folder(family, description.steps()[0])
        return [str(folder / name) for name in tokenizer_files(folder)]

    def local_folder(self, family: str, step: int) -> Path:
        """The folder of a local checkpoint."""
        description = self.resolved.families[family]
        assert isinstance(description, LocalFamily), family
        path = description.path.replace("{step}", str(step))
        return Path(self.scope.rooted(path, f"families/{family}.yaml"))

    def require_folders(self) -> None:
        """StudyError for folders of local checkpoints of the study that do not exist."""
        for name, family in self.resolved.families.items():
            if isinstance(family, LocalFamily):
                steps = {*self.grid.steps(name), family.steps()[0]}
                folders = {str(self.local_folder(name, step)): step for step in sorted(steps)}
                absent = [folder for folder in folders if not Path(folder).is_dir()]
                if absent:
                    raise StudyError(
                        f"{len(absent)} of {len(folders)} folders of checkpoints do not exist",
                        file=f"families/{name}.yaml",
                        key="path",
                        value=absent,
                        fix="check path, data_root and the steps, or copy the folders there",
                    )

    def local_files(self, family: str, step: int) -> list[str]:
        """The files that a local checkpoint is read from; none for a downloaded one, and none if
        its folder does not exist: the job that loads it reports that."""
        if not isinstance(self.resolved.families[family], LocalFamily):
            return []
        folder = self.local_folder(family, step)
        return [str(folder / name) for name in model_files(folder)]

    def checkpoint_files(self) -> list[str]:
        """The manifest of every checkpoint."""
        return [self.paths.checkpoint(point) for point in self.grid.checkpoints]
