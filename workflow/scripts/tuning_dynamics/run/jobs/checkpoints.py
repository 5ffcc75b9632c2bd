"""What the rules of checkpoints.smk need of a study."""

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
    """What the rules of checkpoints.smk need of a study."""

    def corpus_files(self, family: str) -> list[str]:
        """Local files that a family is pre-trained on; StudyError where a pattern has none."""
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
        """What a family's tokenizer and token ids depend on."""
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
        """What a pre-trained family's weights depend on. Which points are kept changes none."""
        description = self.scope.pretrained(family)
        spec = description.model_dump(mode="json", exclude_defaults=True, exclude={"checkpoints"})
        return canonical({**spec, "source": description.source})

    def checkpoint_spec(self, family: str, step: int) -> str:
        """What a downloaded or local checkpoint depends on: not which others there are."""
        elsewhere = {"checkpoints", "available", "equal_weights", "size", "members"}
        return canonical(self._taken(family, elsewhere, only=step))

    def wanted_steps(self, family: str) -> str:
        """What a hub checkpoint is compared with: the steps that the study takes, and those known
        to be equal. It stops a download and changes none."""
        described = self.resolved.families[family].model_dump(
            mode="json", exclude_defaults=True, include={"equal_weights", "repositories"}
        )
        return canonical({**described, "checkpoints": {"steps": self.grid.steps(family)}})

    def tokenizer_spec(self, family: str) -> str:
        """What the tokenizer of a hub family depends on: where its last revision is."""
        others = {"checkpoints", "available", "equal_weights", "pickles", "tokens_before"}
        description = self.resolved.families[family]
        assert isinstance(description, HubFamily), family
        last = max(description.repositories, default=None)
        return canonical(self._taken(family, {*others, "size", "members"}, only=last))

    def revisions_spec(self, family: str) -> str:
        """What is looked up of a hub family: its naming and the steps that the study takes."""
        taken = self._taken(family, {"available", "size", "members", "tokens_before"})
        return canonical({**taken, "checkpoints": {"steps": self.grid.steps(family)}})

    def _taken(self, family: str, without: set[str], only: int | None = None) -> dict[str, Any]:
        """A family's settings without some; of several repositories `only` that of a step."""
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
        """What pre-training to `step` continues from: a path, or none."""
        previous = self.previous(family, step)
        if previous is None:
            return []
        return [self.paths.checkpoint_file(family, previous.step, "state.pt")]

    def tokenizer_manifest(self, family: str) -> list[str]:
        """What says where the tokenizer lies that prepares data for all of a family's
        checkpoints; none for local ones, whose files are inputs themselves.

        Never of a checkpoint that depends on the study: one that joins it must not have data
        encoded anew, and with it all models tuned again.
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

    def local_files(self, family: str, step: int) -> list[str]:
        """The files that a local checkpoint is read from; none for one that is downloaded, and
        none where there is no such folder: the job that loads it says so."""
        if not isinstance(self.resolved.families[family], LocalFamily):
            return []
        folder = self.local_folder(family, step)
        return [str(folder / name) for name in model_files(folder)]

    def checkpoint_files(self) -> list[str]:
        """The manifest of every checkpoint."""
        return [self.paths.checkpoint(point) for point in self.grid.checkpoints]
