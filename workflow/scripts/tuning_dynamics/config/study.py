"""The typed config of a study, and the study with everything that it names.

Every model refuses unknown keys and names the nearest known one. Field docstrings become the
descriptions in `workflow/schemas/`, which editors complete from.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tuning_dynamics.config.base import Count, Fraction, Name, Names, Seed, Strict, Unique
from tuning_dynamics.config.dataset import Dataset, Kind, Task
from tuning_dynamics.config.evaluation import EvaluateSettings, Predictions
from tuning_dynamics.config.execution import Execution, Planning
from tuning_dynamics.config.family import Family
from tuning_dynamics.config.recipe import Recipe, Stage
from tuning_dynamics.config.statistics import StatisticsSettings


class Block(Strict):
    """One full product of axes; a study is a list of blocks and its grid their union."""

    family: Name | Names
    """A file of families/ or one of its members, or several."""
    checkpoints: Literal["all", "last"] | Annotated[list[Count], Field(min_length=1), Unique]
    """all, last, or steps."""
    recipes: Names
    """Files of recipes/; `base` is the untuned checkpoint."""
    train_sets: Annotated[list[Name], Unique] = []
    """Datasets to tune on; none for base."""
    seeds: Annotated[list[Seed], Field(min_length=1), Unique] = [0]
    """Seeds of tuning (data order, adapter initialisation, dropout)."""
    eval_sets: Names
    """Datasets to evaluate on."""
    formats: Names = ["default"]
    """Prompt formats at evaluation."""
    shots: Annotated[list[Count], Field(min_length=1), Unique] = [0]
    """Numbers of demonstrations in the prompt."""
    draws: Annotated[list[Count], Field(min_length=1), Unique] = [0]
    """Draws of the demonstrations: each shows others, or in another order. Prompts without
    demonstrations have draw 0 alone."""
    predictions: Predictions = Predictions()
    """Prediction methods."""

    @property
    def families(self) -> list[str]:
        """The families, one or several."""
        return [self.family] if isinstance(self.family, str) else self.family


class WorldSettings(Strict):
    """Size and seed of the mini world; the defaults are the generator's."""

    seed: Seed = 0
    """Seed of the world: other facts, same language."""
    people: Annotated[int, Field(ge=32)] = 50
    """People with lasting facts."""
    documents: Annotated[int, Field(ge=100)] = 48_000
    """Documents of the pre-training corpus."""


Share = Annotated[float, Field(gt=0, lt=1)]


class DataSettings(Strict):
    """How much of each set is used."""

    train_items: PositiveInt = 6000
    """Largest number of training rows, drawn with the study's seed."""
    train_items_of: dict[Name, PositiveInt | Share | Literal["all"]] = {}
    """Train set -> its own number of rows, share of its rows (below 1), or all."""
    evaluation_items: PositiveInt | None = None
    """Largest number of evaluated items, drawn with the study's seed; none: all."""


class TuneSettings(Strict):
    """What all recipes share."""

    max_length: PositiveInt = 2048
    """Longest training example in tokens; longer ones lose the end of their longest input
    field, counted. Never more than the model's context."""


class Published(Strict):
    """What a table of published scores does not state itself."""

    layout: Literal["scores", "pythia_evals", "olmo_ladder", "peft_methods"] = "scores"
    """scores: rows as in scores.csv; pythia_evals: the long table of the Pythia suite's results
    per checkpoint; olmo_ladder: a wide table per pre-training run, one or several files;
    peft_methods: a line per way of tuning one model."""
    chance: dict[str, Fraction] = {}
    """Evaluation set -> accuracy of guessing; unknown if not given."""
    train_kinds: dict[str, Kind] = {}
    """Train set -> kind, if the table has no sets of its task; unknown if not given."""


# Keys that a study of published scores does not use.
_OF_MODELS = (
    *("blocks", "world", "data", "tune", "evaluate", "max_gpu_hours", "keep_weights"),
    "partial",
)


class Study(Strict):
    """One config: the grid and its settings."""

    study: Name
    """Name; results live in results/{study}/."""
    title: str = ""
    """One line for the report."""
    seed: Seed = 0
    """Seed of subsets, demonstrations and option order."""
    data_root: str | None = None
    """Folder that {data_root} stands for in dataset and family files."""
    catalogue: Annotated[list[str], Field(min_length=1)] = ["config"]
    """Folders with families/, datasets/, tasks/ and recipes/, searched in this order."""
    blocks: list[Block] = []
    """The grid; none with `scores`."""
    scores: str | Annotated[list[str], Field(min_length=1), Unique] | None = None
    """A CSV file of published scores, or several: tables, figures and report from them, without
    any model."""
    published: Published = Published()
    world: WorldSettings = WorldSettings()
    data: DataSettings = DataSettings()
    tune: TuneSettings = TuneSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    execution: Execution = Execution()
    max_gpu_hours: Annotated[PositiveFloat | None, Planning] = None
    """A run does not start if its likely hours of the device execution.plan_for are more than
    this; none: no limit."""
    keep_weights: Literal["all", "none"] = "all"
    """Tuned weights: kept, or deleted once their cells are evaluated and, with
    evaluate.text_loss, their loss on the fixed text is known."""
    # Left out of the merged config: it only changes the tables of cells.
    partial: Annotated[bool, Field(exclude=True)] = False
    """Whether tables are made although cells were refused for the content of their input: these
    cells are left out, and listed in unpaired.csv."""

    @model_validator(mode="after")
    def _models_or_scores(self) -> "Study":
        if self.scores is None and not self.blocks:
            raise ValueError("give `blocks`, the grid, or `scores`, a table made elsewhere")
        if self.scores is None and self.published != Published():
            raise ValueError("`published` describes the table of `scores`, which is not given")
        given = [name for name in _OF_MODELS if self.scores and self._is_set(name)]
        if given:
            raise ValueError(f"a study of `scores` runs no model: remove {', '.join(given)}")
        return self

    @property
    def score_files(self) -> list[str]:
        """The files of `scores`, one or several; none without."""
        return [self.scores] if isinstance(self.scores, str) else self.scores or []

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


class ResolvedStudy(Strict):
    """A study with the content of everything it names: the merged config."""

    study: Study
    families: dict[Name, Family]
    tasks: dict[Name, Task]
    datasets: dict[Name, Dataset]
    recipes: dict[Name, Recipe]

    def kind(self, dataset: str) -> Kind:
        """Kind of a dataset's items."""
        return self.tasks[self.datasets[dataset].task].kind

    def metric(self, dataset: str) -> str:
        """The metric of answers on a dataset: a module of `stats/metrics/`."""
        return self.datasets[dataset].metric_for(self.kind(dataset))

    def formats(self, dataset: str) -> dict[str, str]:
        """A dataset's prompt templates by format."""
        return {
            **self.tasks[self.datasets[dataset].task].formats,
            **self.datasets[dataset].formats,
        }

    def encoding(self, stage: Stage, dataset: str) -> str:
        """The encoding of a set in a stage: a prompt format, or a layout of dialogues."""
        instruction = self.kind(dataset) == "instruction"
        return stage.data.dialogue if instruction else stage.data.format

    def encoded_sets(self, recipe: Recipe, train_set: str) -> list[tuple[str, str]]:
        """The sets that a recipe reads, each with its encoding."""
        named = [
            (stage, train_set if name == "$target" else name)
            for stage in recipe.stages
            for name in stage.data.mix
        ]
        return sorted({(dataset, self.encoding(stage, dataset)) for stage, dataset in named})

    def demonstrations(self, dataset: str) -> str:
        """The dataset whose training split gives a dataset's demonstrations."""
        return self.datasets[dataset].demonstrations or dataset
