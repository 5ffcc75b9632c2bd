"""What each rule needs of the study: inputs, and the settings its results depend on.

Rules stay prose; this is their logic, testable without Snakemake. Every `…_spec` is canonical
JSON of exactly what can change the job's result, and becomes the job's `params`.
"""

import glob
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from tuning_dynamics.study.asked import require_named
from tuning_dynamics.study.current import Current
from tuning_dynamics.study.digests import Digests
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.families import HubFamily, LocalFamily, PretrainFamily
from tuning_dynamics.study.figures import (
    STYLE_FILE,
    StudyFigure,
    figure_list,
    figure_rows,
    figure_tables,
    grid_pieces,
)
from tuning_dynamics.study.files import file_digest, text_digest
from tuning_dynamics.study.grid import Grid, expand
from tuning_dynamics.study.identity import canonical, files_digest
from tuning_dynamics.study.model_files import config_for_text, model_files, tokenizer_files
from tuning_dynamics.study.models import ResolvedStudy
from tuning_dynamics.study.parts import (
    Part,
    part_variants,
)
from tuning_dynamics.study.paths import (
    ALL_TABLES,
    RESERVED,
    ROOT,
    SCRIPTS,
    Paths,
    fill_root,
    parse_variant,
    variant_key,
)
from tuning_dynamics.study.published import PublishedTable, read_published
from tuning_dynamics.study.rates import rate_name, selecting, with_rate
from tuning_dynamics.study.recipes import RateSelection, Recipe, Stage
from tuning_dynamics.study.score_columns import POOLED
from tuning_dynamics.study.units import DATA, EVALUATE, JobView, cells_param, parse_cells
from tuning_dynamics.study.uses import used_splits
from tuning_dynamics.study.variants import Cell, Checkpoint, Setting, Variant

#: What the pages are made of besides Python: templates and captions, and docs/tables.md.
PAGE_PARTS = (
    SCRIPTS / "tuning_dynamics" / "report" / "page",
    ROOT / "workflow" / "report",
    ROOT / "docs" / "tables.md",
)

#: Matches no name: the wildcard of a source that the study does not use.
NOTHING = "(?!)"


class Jobs:
    """The jobs of one study."""

    def __init__(self, resolved: ResolvedStudy, file: str, part: Part | None = None) -> None:
        self.resolved, self.file, self.part = resolved, file, part
        # The table of a study of scores made elsewhere, which runs no model.
        self.table = read_published(resolved.study, file) if resolved.study.scores else None
        self.grid: Grid = self.table.grid if self.table else expand(resolved, file)
        self.paths = Paths(resolved.study.study)
        self._cells_params: dict[tuple[Setting, ...], str] = {}
        if self.table is not None and part is not None:
            raise StudyError(
                "a study of scores made elsewhere has no cells to share out",
                file=file,
                key="part",
                value=f"{part.number or 'tables'}/{part.parts}",
                fix="leave part out: one run makes all of it",
            )
        self._check_names()
        self._check_main_recipe()
        self._check_statistics()
        for recipe in sorted(self.resolved.recipes):
            if selecting(resolved.recipes[recipe]):
                self._candidates(recipe)

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
            settings, recipes=tuned, train_sets=own, eval_sets=self.grid.eval_sets, file=self.file
        )

    def check_whole(self) -> None:
        """StudyError for what single jobs do not meet: a local file that the study reads and that
        is not there."""
        if self.table is not None:
            return
        if self.part is not None and self.part.number is None:
            self._require_current_cells(self.part.parts)
        for dataset in self.resolved.datasets:
            for path in self.data_files(dataset):
                if not Path(path).is_file():
                    raise StudyError(
                        "the data file does not exist",
                        file=f"datasets/{dataset}.yaml",
                        key="source.files or join.file",
                        value=path,
                        fix="check the path and data_root",
                    )
        for family in self._pretrained_to():
            self.corpus_files(family)

    def _require_current_cells(self, parts: int) -> None:
        """StudyError for cells of a study in parts that are missing or not current."""
        stale = {
            cell: reason
            for variant in self.grid.variants
            for cell, reason in self.current.stale_cells(self.evaluation(variant)).items()
        }
        if stale:
            first = min(stale)
            raise StudyError(
                f"{len(stale):,} of {len(self.cell_files()):,} cells are missing or not current",
                file=first,
                key="part",
                value="missing" if stale[first].absent else stale[first].text,
                fix=f"run the parts again, 1/{parts} to {parts}/{parts}; each makes only what is "
                "missing",
            )

    @cached_property
    def current(self) -> Current:
        """What of the study is current."""
        return Current(self.paths, Digests(Path(self.paths.seen)))

    def evaluation(self, variant: Variant) -> JobView:
        """The evaluation of a variant, as Snakemake would plan it."""
        key = variant_key(variant)
        settings = self.grid.settings[variant]
        cells = self._cells_param(settings)
        outputs = [self.paths.cell_file(key, *setting) for setting in settings]
        took = self.paths.variant_file(key, "evaluation.json")
        return JobView(
            EVALUATE,
            (key,),
            "evaluate_variant.py",
            {"cells": cells},
            {"manifest": [self.paths.manifest(variant)]},
            [*outputs, took],
        )

    def _check_names(self) -> None:
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

    # --- wildcards ---------------------------------------------------------------------------

    def families(self, *sources: str) -> str:
        """Pattern of the families of one source or several."""
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
        """The variant of a key; StudyError where the grid has none."""
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

    # --- data --------------------------------------------------------------------------------

    def data_files(self, dataset: str) -> list[str]:
        """Local files that a dataset is read from."""
        description = self.resolved.datasets[dataset]
        found = []
        if description.source.files is not None:
            files = description.source.files
            found += [path for path in (files.train, files.evaluation) if path is not None]
        if description.join is not None:
            found.append(description.join.file)
        return [self._rooted(path, f"datasets/{dataset}.yaml") for path in found]

    def _rooted(self, path: str, file: str) -> str:
        root = self.resolved.study.data_root
        return fill_root(path, root, file)

    @property
    def reads_hub(self) -> bool:
        """Whether datasets are read from the hub."""
        return any(dataset.source.hub is not None for dataset in self.resolved.datasets.values())

    def freeze_spec(self, dataset: str) -> str:
        """What a dataset's frozen items depend on."""
        study = self.resolved.study
        description = self.resolved.datasets[dataset]
        spec: dict[str, Any] = {
            "dataset": description.model_dump(mode="json", exclude_defaults=True),
            "kind": self.resolved.kind(dataset),
            "seed": study.seed,
            "train_items": study.data.train_items_of.get(dataset, study.data.train_items),
            "evaluation_items": study.data.evaluation_items,
        }
        # Formats show items, and a size is for the budget; they do not change items.
        for key in ("formats", "size"):
            spec["dataset"].pop(key, None)
        if description.source.world is not None:
            spec["world"] = study.world.model_dump(exclude_defaults=True)
        return canonical(spec)

    def encode_spec(self, family: str, dataset: str, layout: str) -> str:
        """What a train set's token ids depend on besides items and tokenizer: the template of a
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
                **({"config": config_for_text(self.local_folder(family, first))} if local else {}),
                "template": None if instruction else formats[layout],
                "dialogue": layout if instruction else None,
                "max_length": self.resolved.study.tune.max_length,
            }
        )

    def _labels(self, dataset: str) -> list[list[str]]:
        gold = self.resolved.datasets[dataset].gold
        return gold.label_groups() if gold is not None else []

    # --- checkpoints -------------------------------------------------------------------------

    def corpus_files(self, family: str) -> list[str]:
        """Local files that a family is pre-trained on; StudyError where a pattern has none."""
        file, found = f"families/{family}.yaml", []
        for pattern in self._pretrained(family).corpus.files:
            matches = sorted(glob.glob(self._rooted(pattern, file)))
            if not matches:
                raise StudyError(
                    "no corpus file matches",
                    file=file,
                    key="corpus.files",
                    value=self._rooted(pattern, file),
                    fix="check the pattern and data_root",
                )
            found += matches
        return found

    def corpus_spec(self, family: str) -> str:
        """What a family's tokenizer and token ids depend on."""
        description = self._pretrained(family)
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
        description = self._pretrained(family)
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

    def _pretrained(self, family: str) -> PretrainFamily:
        description = self.resolved.families[family]
        assert isinstance(description, PretrainFamily), family
        return description

    def previous(self, family: str, step: int) -> Checkpoint | None:
        """The checkpoint that pre-training to `step` continues from; None for the first."""
        steps = self._pretrained(family).steps()
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
        return Path(self._rooted(path, f"families/{family}.yaml"))

    def local_files(self, family: str, step: int) -> list[str]:
        """The files that a local checkpoint is read from; none for one that is downloaded, and
        none where there is no such folder: the job that loads it says so."""
        if not isinstance(self.resolved.families[family], LocalFamily):
            return []
        folder = self.local_folder(family, step)
        return [str(folder / name) for name in model_files(folder)]

    # --- tune --------------------------------------------------------------------------------

    def train_tokens(self, variant: Variant) -> list[str]:
        """The encoded sets that a variant is tuned on."""
        recipe = self.resolved.recipes[variant.recipe]
        return self._tokens(recipe, variant.train_set, variant.family)

    def _tokens(self, recipe: Recipe, train_set: str, family: str) -> list[str]:
        sets = self._encoded(recipe, train_set)
        return [self.paths.tokens(dataset, family, layout) for dataset, layout in sets]

    def _encoded(self, recipe: Recipe, train_set: str) -> list[tuple[str, str]]:
        """The sets that a recipe reads, each with the format or layout that it is encoded in."""
        return sorted(
            {
                self._layout(stage, name, train_set)
                for stage in recipe.stages
                for name in stage.data.mix
            }
        )

    def _layout(self, stage: Stage, name: str, train_set: str) -> tuple[str, str]:
        dataset = train_set if name == "$target" else name
        instruction = self.resolved.kind(dataset) == "instruction"
        return dataset, stage.data.dialogue if instruction else stage.data.format

    def _training(self, recipe: Recipe, train_set: str) -> dict[str, Any]:
        """What training by a recipe depends on, besides its inputs; `uses` says by stage and name
        in its mix which of the encoded sets is read."""
        sets = self._encoded(recipe, train_set)
        return {
            "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
            "sets": sets,
            "uses": {
                stage.id: {
                    name: sets.index(self._layout(stage, name, train_set))
                    for name in stage.data.mix
                }
                for stage in recipe.stages
            },
        }

    def tuned_weights(self, key: str) -> list[str]:
        """The folder of a tuned variant's weights; a base variant's are its checkpoint's."""
        tuned = self.variant(key).recipe != "base"
        return [self.paths.variant_file(key, "weights")] if tuned else []

    def kept(self, folder: Any, temp: Callable[[Any], Any]) -> Any:
        """A folder of weights as an output: to keep, or temporary, as the study says."""
        return folder if self.resolved.study.keep_weights == "all" else temp(folder)

    def tune_spec(self, variant: Variant) -> str:
        """What a variant's weights depend on, besides its inputs."""
        recipe = self.resolved.recipes[variant.recipe]
        return canonical({**self._training(recipe, variant.train_set), "seed": variant.seed})

    # --- learning rates ----------------------------------------------------------------------

    @cached_property
    def selecting(self) -> str:
        """Pattern of the recipes that choose their learning rate."""
        return either(name for name, recipe in self.resolved.recipes.items() if selecting(recipe))

    def chosen_rates(self, variant: Variant) -> list[str]:
        """The choice of learning rate that a variant is tuned with; none where it is given."""
        if not selecting(self.resolved.recipes[variant.recipe]):
            return []
        return [self.paths.rate(variant.family, variant.recipe, variant.train_set)]

    def trials(self, family: str, recipe: str, train_set: str) -> list[str]:
        """The results of a recipe's candidates on a family and train set."""
        return [
            self.paths.trial(family, recipe, train_set, rate_name(rate))
            for rate in self._candidates(recipe)[1].candidates
        ]

    def trial_checkpoint(self, family: str) -> Checkpoint:
        """The checkpoint that candidates are tried on: the study's last, for all of them."""
        return Checkpoint(family, self.grid.steps(family)[-1])

    def trial_key(self, family: str, recipe: str, train_set: str, rate: str) -> str:
        """The name of a candidate's run in logs and in the cost table."""
        step = self.trial_checkpoint(family).step
        return f"{family}/{step}/{recipe}/{train_set}/rate{rate}"

    def trial_tokens(self, family: str, recipe: str, train_set: str) -> list[str]:
        """The encoded sets that candidates are trained and compared on."""
        return self._tokens(self._trial(recipe), train_set, family)

    def trial_spec(self, recipe: str, train_set: str, rate: str) -> str:
        """What a candidate's held-out loss depends on, besides its inputs: the recipe up to the
        stage that selects, at the candidate's rate. The seed is 0, whatever the study's are."""
        trial = with_rate(self._trial(recipe), float(rate))
        heldout = self._candidates(recipe)[1].heldout
        return canonical({**self._training(trial, train_set), "seed": 0, "heldout": heldout})

    def _trial(self, recipe: str) -> Recipe:
        last = self._candidates(recipe)[0]
        return Recipe(stages=self.resolved.recipes[recipe].stages[: last + 1])

    def _candidates(self, name: str) -> tuple[int, RateSelection]:
        """The stage of a recipe that selects, and its candidates; StudyError unless it is one."""
        recipe = self.resolved.recipes[name]
        found = selecting(recipe)
        selection = recipe.stages[found[0]].optim.lr if len(found) == 1 else None
        if not isinstance(selection, RateSelection):
            raise StudyError(
                f"{len(found)} stages of recipe {name!r} choose their learning rate",
                file=f"recipes/{name}.yaml",
                key="stages.optim.lr",
                value=[recipe.stages[number].id for number in found],
                fix="let one stage choose, and give the others a rate",
            )
        return found[0], selection

    def _trials(self) -> list[str]:
        """The results of all candidates of the study."""
        return [
            path
            for family, recipe, train_set in self.grid.trainings
            if selecting(self.resolved.recipes[recipe])
            for path in self.trials(family, recipe, train_set)
        ]

    # --- evaluate ----------------------------------------------------------------------------

    @cached_property
    def evaluations(self) -> dict[str, list[Variant]]:
        """The variants that have the same cells, by the name of the rule that evaluates them.

        The name says what is evaluated, so that it stays when a block is added.
        """
        found: dict[tuple[Setting, ...], list[Variant]] = {}
        for variant in self._evaluated():
            found.setdefault(self.grid.settings[variant], []).append(variant)
        return {_evaluation_name(settings): own for settings, own in found.items()}

    def due_cells(self, key: str) -> list[Cell]:
        """The cells of a variant that a run would make: those that are not current."""
        variant = self.variant(key)
        due = self.current.due_outputs(self.evaluation(variant))
        cells = [Cell(variant, *setting) for setting in self.grid.settings[variant]]
        return [cell for cell in cells if self.paths.cell(cell) in due]

    def settings_of(self, rule: str) -> tuple[Setting, ...]:
        """What a rule of `evaluations` evaluates."""
        return self.grid.settings[self.evaluations[rule][0]]

    def cells_pattern(self, rule: str) -> list[str]:
        """The cells of a rule of `evaluations`, for Snakemake to fill in the variant."""
        return [self.paths.cell_file("{variant}", *setting) for setting in self.settings_of(rule)]

    def variants_pattern(self, rule: str) -> str:
        """Pattern of the variants of a rule of `evaluations`."""
        return pattern_of(self.evaluations[rule])

    def evaluated_items(self, rule: str) -> list[str]:
        """The frozen items that a rule of `evaluations` reads, demonstrations among them."""
        entries = parse_cells(self._cells_param(self.settings_of(rule)))
        return sorted({entry[name] for entry in entries for name in DATA if entry[name]})

    def cells_of(self, rule: str) -> Callable[[Any], str]:
        """A function of wildcards: what each cell of a rule of `evaluations` depends on, the same
        for all variants."""
        text = self._cells_param(self.settings_of(rule))
        return lambda _: text

    def _cells_param(self, settings: tuple[Setting, ...]) -> str:
        """What the cells of a variant depend on; many variants have the same."""
        if settings not in self._cells_params:
            entries = [self._cell_entry(setting) for setting in settings]
            self._cells_params[settings] = cells_param(entries)
        return self._cells_params[settings]

    def _cell_entry(self, setting: Setting) -> dict[str, str]:
        eval_set, _, shots, _ = setting
        lender = self.paths.items(self.resolved.demonstrations(eval_set)) if shots else ""
        spec = self.setting_spec(*setting)
        return {"spec": spec, "items": self.paths.items(eval_set), "demonstrations": lender}

    def setting_spec(self, eval_set: str, name: str, shots: int, prediction: str) -> str:
        """What a cell's records depend on, besides its inputs: the same for every variant."""
        settings = self.resolved.study.evaluate
        kind = self.resolved.kind(eval_set)
        short = kind == "classification"
        # Left out at its default, as `canonical` does for settings: cells stay what they are.
        dtype = {} if settings.dtype == "float32" else {"dtype": settings.dtype}
        return canonical(
            {
                **dtype,
                "eval_set": eval_set,
                "kind": kind,
                "template": self.resolved.formats(eval_set)[name],
                "shots": shots,
                "prediction": prediction,
                "truncation": settings.truncation,
                "max_new_tokens": settings.label_tokens if short else settings.text_tokens,
                "labels": self._labels(eval_set) if short else [],
            }
        )

    # --- statistics --------------------------------------------------------------------------

    @property
    def published(self) -> PublishedTable:
        """The table of a study of scores made elsewhere."""
        assert self.table is not None
        return self.table

    def published_spec(self) -> str:
        """What the tables of published scores depend on, besides their file."""
        study = self.resolved.study
        return canonical({**study.published.model_dump(), "level": study.statistics.level})

    def statistics_spec(self, *names: str, **more: bool) -> str:
        """The named settings of `statistics`, and `more`: `recipe` and `alpha` are main_recipe and
        learned_alpha."""
        settings = self.resolved.study.statistics
        known = {
            **settings.model_dump(),
            "recipe": settings.main_recipe,
            "alpha": settings.learned_alpha,
        }
        return canonical({**{name: known[name] for name in names}, **more})

    def scores_spec(self) -> str:
        """What the tables of cells depend on, besides the cells."""
        # Left out at its default, as `canonical` does for settings.
        partial = {"partial": True} if self.resolved.study.partial else {}
        drawing = ("resamples", "level", "seed", "interval")
        return self.statistics_spec(*drawing, "test_families", **partial)

    def metrics(self) -> str:
        """The metrics of all cells, whose code the job `scores` runs."""
        return canonical(sorted(set(map(self.resolved.metric, self.grid.eval_sets))))

    def summaries_spec(self) -> str:
        """The settings of `statistics` that the summaries and findings depend on."""
        drawing = ("resamples", "level", "seed", "recipe", "alpha")
        return self.statistics_spec(*drawing, "transfer", "groups", "group_recipes", "group_roles")

    def merged_config(self) -> str:
        """The merged config as JSON, keys in their order."""
        return json.dumps(self.resolved.model_dump(mode="json"))

    def cell_files(self) -> list[str]:
        """The records of every cell."""
        return self._cells_of(self.grid.variants)

    def _cells_of(self, variants: list[Variant]) -> list[str]:
        return [
            self.paths.cell_file(variant_key(variant), *setting)
            for variant in variants
            for setting in self.grid.settings[variant]
        ]

    # --- what a run wants --------------------------------------------------------------------

    @property
    def stages(self) -> list[str]:
        """The rule files of the study, in the order of its data."""
        if self.table is not None:
            return ["published", "stats", "report", "plan"]
        making = ["data", "checkpoints", "tune", *(["evaluate"] if self.makes_cells else [])]
        return [*making, "sources", "stats", "report", "plan"]

    @property
    def makes_cells(self) -> bool:
        """Whether this run makes cells; the run for the tables of a study in parts takes them as
        they are (docs/scale.md), and scores made elsewhere have none (docs/published.md)."""
        return self.table is None and not self.makes_tables_of_parts

    @property
    def makes_tables_of_parts(self) -> bool:
        """Whether this run makes the tables of a study in parts."""
        return self.part is not None and self.part.number is None

    def wanted(self) -> list[str]:
        """The files that a run without named targets makes: all that a study is run for, by name,
        so that a deleted one is made again."""
        tables = [
            path(name) for path in (self.paths.table, self.paths.parquet) for name in ALL_TABLES
        ]
        figures = [
            self.figure_path(one, kind) for kind in ("svg", "pdf", "png") for one in self.figures
        ]
        whole = [self.paths.report, self.paths.findings, self.paths.config, *tables, *figures]
        if self.table is not None:
            return whole
        if self.part is None:
            return [*whole, *self.cell_files(), *self._model_files()]
        if self.part.number is None:
            # What cells are made from is to be current, which a plan of it shows (`plan.guard`).
            return [*whole, *(self.paths.manifest(variant) for variant in self.grid.variants)]
        return self.part_files(self.part.number, self.part.parts)

    def _model_files(self) -> list[str]:
        """The manifest of every model, and the folder of weights of those that are made here and
        kept."""
        keys = [variant_key(variant) for variant in self.grid.tuned]
        kept = keys if self.resolved.study.keep_weights == "all" else []
        return [
            *self.checkpoint_files(),
            *(
                self.paths.checkpoint_file(name, str(step), "weights")
                for name in self._pretrained_to()
                for step in self.grid.steps(name)
            ),
            *(self.paths.variant_file(key, "manifest.json") for key in keys),
            *(self.paths.variant_file(key, "weights") for key in kept),
        ]

    def part_files(self, number: int, parts: int) -> list[str]:
        """The cells of a part, and the manifests of the models that they are made with."""
        variants = part_variants(self.grid, number, parts, self.file)
        return [
            *self._cells_of(variants),
            *dict.fromkeys(map(self.paths.manifest, variants)),
        ]

    def _evaluated(self) -> list[Variant]:
        """The variants that this run may evaluate."""
        if not self.makes_cells:
            return []
        if self.part is None or self.part.number is None:
            return self.grid.variants
        return part_variants(self.grid, self.part.number, self.part.parts, self.file)

    # --- tables ------------------------------------------------------------------------------

    def checkpoint_files(self) -> list[str]:
        """The manifest of every checkpoint."""
        return [self.paths.checkpoint(point) for point in self.grid.checkpoints]

    def curve_spec(self) -> str:
        """Tokens at both ends of each hole in the series that the hub's families have."""
        holes = {
            name: [[family.tokens(start), family.tokens(end)] for start, end in gaps]
            for name, family in self.resolved.families.items()
            if isinstance(family, HubFamily) and (gaps := family.known.gaps())
        }
        return canonical({"holes": holes})

    def dataset_files(self) -> list[str]:
        """The manifest of every dataset that is used, and the items of those with options."""
        used = used_splits(self.resolved, self.grid)
        chosen = [row["items"] for row in used if row["kind"] == "multiple_choice"]
        return sorted({*(row["manifest"] for row in used), *chosen})

    def metrics_files(self) -> list[str]:
        """The metrics of every training run and evaluation."""
        steps = [
            self.paths.checkpoint_file(name, step, "metrics.json")
            for name, last in self._pretrained_to().items()
            for step in self.resolved.families[name].steps()
            if step <= last
        ]
        if self.table is not None:
            return []
        tuned = [
            self.paths.variant_file(variant_key(variant), "metrics.json")
            for variant in self.grid.tuned
        ]
        evaluated = [
            self.paths.variant_file(variant_key(variant), "evaluation.json")
            for variant in self.grid.variants
        ]
        return [*steps, *tuned, *evaluated, *self._trials()]

    def _pretrained_to(self) -> dict[str, int]:
        """The last step to which each family is pre-trained here."""
        return {
            name: self.grid.steps(name)[-1]
            for name, family in self.resolved.families.items()
            if isinstance(family, PretrainFamily)
        }

    @cached_property
    def figures(self) -> list[StudyFigure]:
        """The figures that the study has, by family, with theme, title and caption."""
        recipe = self.resolved.study.statistics.main_recipe
        if self.table is not None:
            return figure_list(self.table.pieces(), recipe, measured=False)
        return figure_list(grid_pieces(self.resolved, self.grid), recipe)

    def page_spec(self) -> str:
        """What the pages depend on besides their inputs and code: templates, captions, and what is
        said of the tables' columns."""
        return canonical({"shown": files_digest(*PAGE_PARTS)})

    def accepted(self) -> str:
        """What was accepted as current by hand, which the pages tell: not of themselves, as they
        would be other ones for saying so."""
        accepted = self.current.accepted()
        return canonical([entry for entry in accepted if entry["stage"] != "report"])

    def figure_path(self, figure: StudyFigure, suffix: str = "svg") -> str:
        """A figure's file as SVG, PDF or PNG."""
        return self.paths.figure(figure.family, figure.name, suffix)

    def figure_files(self) -> list[str]:
        """Every figure, as SVG."""
        return [self.figure_path(figure) for figure in self.figures]

    @property
    def figure_tables(self) -> list[str]:
        """Names of the tables that the figures are drawn from."""
        return figure_tables(self.figures)

    def figures_spec(self) -> str:
        """What the figures depend on besides tables, code and style: which there are, the level
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


def _evaluation_name(settings: tuple[Setting, ...]) -> str:
    """`evaluate_`, the number of cells, and a digest of what they are."""
    return f"evaluate_{len(settings)}_{text_digest(canonical([*map(list, settings)]))[:8]}"


def pattern_of(variants: Iterable[Variant]) -> str:
    """A pattern that matches exactly the keys of variants, written as products of families, steps
    and recipes: Snakemake reads it once for each output of each job."""
    steps: dict[tuple[str, str], set[str]] = defaultdict(set)
    for variant in variants:
        family, step, tail = variant_key(variant).split("/", 2)
        steps[family, tail].add(step)
    tails: dict[tuple[str, frozenset[str]], set[str]] = defaultdict(set)
    for (family, tail), own in steps.items():
        tails[family, frozenset(own)].add(tail)
    families: dict[tuple[frozenset[str], frozenset[str]], set[str]] = defaultdict(set)
    for (family, points), ends in tails.items():
        families[points, frozenset(ends)].add(family)
    products = [
        "/".join((either(names), either(points), either(ends)))
        for (points, ends), names in families.items()
    ]
    return f"(?:{'|'.join(sorted(products))})"


def either(names: Any) -> str:
    """A pattern that matches exactly the names; nothing where there are none."""
    listed = sorted(set(names))
    # Names hold no character that a regular expression reads as anything else.
    return f"(?:{'|'.join(listed)})" if listed else NOTHING
